"""Telling people what was done and found. Pure: from outcomes to text."""
