"""Doing it: the only stage that writes."""
