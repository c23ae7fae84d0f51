"""Python's own xmlrpc.client."""
import json
import sys
import xmlrpc.client

client = xmlrpc.client.ServerProxy(sys.argv[1])
for line in sys.stdin:
    call = json.loads(line)
    try:
        made = {"answer": getattr(client, call["method"])(*(value for _, value in call["arguments"]))}
    except xmlrpc.client.Fault as fault:
        made = {"fault": [fault.faultCode, fault.faultString]}
    print(json.dumps(made), flush=True)
