"""Is it true? Live checks of what was deployed: rollouts, proofs, logins."""
