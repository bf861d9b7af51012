"""The same command lines through Mosquitto's programs and through ours, and the page that tells of it."""
