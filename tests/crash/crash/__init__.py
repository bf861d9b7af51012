"""Kills a broker under load and judges what it remembers."""
