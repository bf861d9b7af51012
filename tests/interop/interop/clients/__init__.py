"""The clients under test, each behind the same small surface where it is a library."""
