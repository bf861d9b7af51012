"""Interoperability tests: foreign MQTT clients against a running burgee.

Deliberately absent: statements of the standard one by one. Those have their own tests; here
the question is whether programs that people already use get what they expect.
"""
