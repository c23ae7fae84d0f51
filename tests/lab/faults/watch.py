#!/usr/bin/python3
"""Runs on the front-end: asks again and again, and prints the moment at which the answer fits.

    watch.py AUTH_FILE METHOD ID PATTERN SECONDS

PATTERN is a regular expression for the XML of the answer. A server that does not answer is asked again.
Prints the time (seconds since the epoch) and the first words that fitted; exit code 1: they never came.
"""
import re
import sys
import time
import xmlrpc.client

auth, method, identity, pattern, seconds = sys.argv[1:]
session = open(auth).read().strip()
wanted = re.compile(pattern, re.S)
end = time.time() + float(seconds)
print("watching", flush=True)
while time.time() < end:
    try:
        answer = getattr(xmlrpc.client.ServerProxy("http://localhost:2633/RPC2"), method)(session, int(identity))[1]
    except OSError:
        time.sleep(0.02)
        continue
    if found := wanted.search(str(answer)):
        print(f"{time.time():.3f} {found.group(0)[:200]!r}")
        sys.exit(0)
    time.sleep(0.02)
sys.exit(1)
