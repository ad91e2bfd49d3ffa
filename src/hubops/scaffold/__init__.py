"""Writing an operator's repository: the texts, and putting them where they belong."""
