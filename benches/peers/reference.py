"""An OpenDHT node without rate limits, for `benches/peers`: `reference.py PORT [PEER_HOST:PORT ...]`.

It says when it is ready, and ends with its standard input.
"""

import sys

import opendht

config = opendht.DhtConfig()
config.setRateLimit(-1, -1)
node = opendht.DhtRunner()
# Before it runs: once one of them has answered, it does not ask the others.
for peer in sys.argv[2:]:
    host, port = peer.split(":")
    node.bootstrap(host, port)
node.run(ipv4="127.0.0.1", ipv6="", port=int(sys.argv[1]), config=config)
print("ready", "on port", sys.argv[1], flush=True)
sys.stdin.read()
node.join()
