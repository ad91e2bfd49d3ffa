"""The program that serves one volume from a pod: sent there as source, so the standard library alone."""
