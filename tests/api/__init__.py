"""Tests of the API: a real oned with simulated hosts, asked by Python's own XML-RPC client."""
