"""Debian's Mosquitto writes, burgee imports."""
