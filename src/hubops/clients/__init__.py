"""One thin typed module per outside program or service: no policy, foreign errors mapped here."""
