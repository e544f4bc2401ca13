"""A network of OpenDHT nodes in this process, put through the phases that `phases.rs` puts bulla's through.

The only argument is the plan, a JSON object; each phase prints one JSON object. The sizes are the plan's, so that both
libraries do the same. Callbacks run in OpenDHT's threads and take the interpreter's lock: their cost is part of the CPU
figures, some microseconds an operation.
"""

import importlib.metadata
import json
import os
import random
import socket
import statistics
import sys
import threading
import time

import opendht

CLOCK = time.perf_counter


def key(text):
    return opendht.InfoHash.get(text)


def cpu_seconds():
    """Of this process, all threads together."""
    return time.process_time()


def memory():
    """Resident bytes."""
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def quantile(sample, share):
    ordered = sorted(sample)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def milliseconds(sample):
    shown = lambda share: None if not sample else round(quantile(sample, share) * 1000, 3)
    return {"p50": shown(0.5), "p99": shown(0.99), "count": len(sample)}


def new_node(identity=None):
    config = opendht.DhtConfig()
    config.setRateLimit(-1, -1)
    if identity is not None:
        config.setIdentity(identity)
    node = opendht.DhtRunner()
    node.run(port=0, config=config)
    return node


def good_contacts(node):
    return node.getRoutingTablesLog(socket.AF_INET).count("[good]")


def start_network(count, identities):
    """Nodes of which all but the first join it, once each knows eight good ones, and how many never do."""
    began = CLOCK()
    nodes = [new_node(identities[i] if i < len(identities) else None) for i in range(count)]
    port = str(nodes[0].getBound().getPort())
    for node in nodes[1:]:
        node.bootstrap("127.0.0.1", port)
    wanted = min(8, count - 1)
    waiting = set(range(count))
    while waiting and CLOCK() - began < 30:
        waiting = {i for i in waiting if good_contacts(nodes[i]) < wanted}
        time.sleep(0.01)
    return nodes, len(waiting)


class Operation:
    """A get or put: when it ended, and when the first value came."""

    def __init__(self, start, is_found=lambda value: True):
        self._is_found = is_found
        self._ended = threading.Event()
        self.first = self.done = None
        self.began = CLOCK()
        start(self)

    def on_value(self, value):
        if self.first is None and self._is_found(value):
            self.first = CLOCK() - self.began
        return True

    def on_done(self, ok, nodes):
        self.done = CLOCK() - self.began
        self._ended.set()

    def wait(self, patience=30):
        self._ended.wait(patience)
        return self


def get(node, name):
    return Operation(lambda op: node.get(key(name), op.on_value, op.on_done))


def put(node, name, data=b"v" * 64):
    return Operation(lambda op: node.put(key(name), opendht.Value(data), op.on_done))


class Network:
    def __init__(self, plan):
        self.plan = plan
        self.random = random.Random(plan["seed"])
        bits = [2048, 2048, 4096, 4096]
        self.identities = [
            opendht.Identity.generate(f"node {i}", opendht.Identity(), bits[i]) for i in range(4)
        ]
        self.before = memory()

    def say(self, phase, **figures):
        print(json.dumps({"phase": phase, **figures}), flush=True)

    def any(self):
        return self.random.choice(self.nodes)

    def boot(self):
        count = self.plan["nodes"]
        began, cpu = CLOCK(), cpu_seconds()
        self.nodes, unconnected = start_network(count, self.identities)
        self.say(
            "boot",
            connected_s=round(CLOCK() - began, 3),
            unconnected=unconnected,
            memory_per_node=round((memory() - self.before) / count),
            cpu_s=round(cpu_seconds() - cpu, 3),
        )

    def early(self):
        """Values looked for as soon as the network is there."""
        count = self.plan["early"]
        puts = self.flood(count, lambda i, kind: self.put_any(f"early {i}", kind))[2]
        gets = self.flood(count, lambda i, kind: self.get_any(f"early {i}", kind))[2]
        self.say(
            "early",
            not_put=sum(op.done is None for op in puts),
            missed=sum(op.first is None for op in gets),
        )

    def have_pinged(self, node, phase):
        """Asks for pings of a node until the phase has ended."""
        address = f"127.0.0.1:{node.getBound().getPort()}"
        print(json.dumps({"ping": address, "during": phase}), flush=True)

    def idle(self):
        self.have_pinged(self.nodes[0], "idle")
        cpu, seconds = cpu_seconds(), self.plan["idle_s"]
        time.sleep(seconds)
        count = len(self.nodes)
        self.say(
            "idle",
            cpu_us_per_node_s=round((cpu_seconds() - cpu) / count / seconds * 1e6),
        )

    def latency(self):
        count, cpu = self.plan["latency"], cpu_seconds()
        puts = [put(self.any(), f"latency {i}").wait() for i in range(count)]
        gets = [get(self.any(), f"latency {i}").wait() for i in range(count)]
        absent = [get(self.any(), f"absent {i}").wait() for i in range(count)]
        self.say(
            "latency",
            put=milliseconds([op.done for op in puts if op.done]),
            first=milliseconds([op.first for op in gets if op.first]),
            get=milliseconds([op.done for op in gets if op.done]),
            absent=milliseconds([op.done for op in absent if op.done]),
            missed=sum(op.first is None for op in gets),
            cpu_us_per_op=round((cpu_seconds() - cpu) / count / 3 * 1e6),
        )

    def flood(self, count, start):
        """Runs operations, so many at a time; how many a second, and the operations."""
        slots = threading.Semaphore(self.plan["in_flight"])
        operations = []

        class Slotted(Operation):
            def on_done(self, ok, nodes):
                super().on_done(ok, nodes)
                slots.release()

        began, cpu = CLOCK(), cpu_seconds()
        for i in range(count):
            slots.acquire(timeout=30)
            operations.append(start(i, Slotted))
        for operation in operations:
            operation.wait()
        seconds = CLOCK() - began
        return count / seconds, (cpu_seconds() - cpu) / count * 1e6, operations

    def put_any(self, name, kind):
        return kind(lambda op: self.any().put(key(name), opendht.Value(b"v" * 64), op.on_done))

    def get_any(self, name, kind):
        return kind(lambda op: self.any().get(key(name), op.on_value, op.on_done))

    def throughput(self):
        count = self.plan["throughput"]
        puts, put_cpu, _ = self.flood(count, lambda i, kind: self.put_any(f"flood {i}", kind))
        gets, get_cpu, found = self.flood(count, lambda i, kind: self.get_any(f"flood {i}", kind))
        self.say(
            "throughput",
            puts_per_s=round(puts),
            put_cpu_us=round(put_cpu),
            gets_per_s=round(gets),
            get_cpu_us=round(get_cpu),
            missed=sum(op.first is None for op in found),
        )

    def growth(self):
        """Gets of distinct keys from one node, in blocks, for a time. A machine's speed changes while they grow: the last
        tenth takes turns with the first of a network just started."""
        grown, block = self.nodes[-1], self.plan["growth_block"]
        began, before, blocks, firsts = CLOCK(), memory(), [], []
        while len(blocks) < self.plan["growth_blocks"] * 9 // 10 and CLOCK() - began < self.plan["growth_s"]:
            blocks.append(self.growth_block(grown, len(blocks)))
        held, keys = memory() - before, block * len(blocks)
        tenth = -(-len(blocks) // 9)
        nodes, _ = start_network(self.plan["nodes"], [])
        for turn in range(tenth):
            firsts.append(self.growth_block(nodes[-1], turn))
            blocks.append(self.growth_block(grown, len(blocks)))
        for node in nodes:
            node.join()
        (rates, costs), (first_rates, first_costs) = zip(*blocks), zip(*firsts)
        median = statistics.median_high
        self.say(
            "growth",
            keys=keys + tenth * block,
            first_gets_per_s=rates[0],
            last_gets_per_s=rates[-1],
            last_tenth_to_first=median(rates[-tenth:]) / median(first_rates),
            first_cpu_us=costs[0],
            last_cpu_us=costs[-1],
            last_tenth_to_first_cpu=median(costs[-tenth:]) / median(first_costs),
            bytes_per_key=round(held / keys),
            gets_per_s=rates,
            cpu_us=costs,
            new_gets_per_s=first_rates,
            new_cpu_us=first_costs,
        )

    def growth_block(self, node, number):
        """One block of gets by a node: how many a second, and the CPU of each."""
        def start(i, kind):
            name = f"growth {number} {i}"
            return kind(lambda op: node.get(key(name), op.on_value, op.on_done))
        rate, cost, _ = self.flood(self.plan["growth_block"], start)
        return round(rate), round(cost)

    def listen(self):
        delays, came = [], threading.Event()
        for i in range(self.plan["listens"]):
            name, sent = f"listen {i}", [None]
            came.clear()

            def heard(value, expired, sent=sent):
                if not expired and sent[0] is not None:
                    delays.append(CLOCK() - sent[0])
                    came.set()
                return True

            listener = self.any()
            token = listener.listen(key(name), heard)
            time.sleep(0.2)
            sent[0] = CLOCK()
            put(self.any(), name).wait()
            came.wait(5)
            listener.cancelListen(token)
        self.say("listen", delay=milliseconds(delays))

    def round_trips(self, phase, writer, start):
        self.have_pinged(self.nodes[writer], phase)
        began, cpu, succeeded = CLOCK(), cpu_seconds(), []

        def work(worker):
            count = 0
            while CLOCK() - began < self.plan["round_trips_s"]:
                name = f"{phase} {worker} {count}"
                Operation(lambda op: start(name, op)).wait()
                succeeded.append(get(self.nodes[writer + 1], name).wait().first is not None)
                count += 1

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.say(
            phase,
            per_s=round(len(succeeded) / (CLOCK() - began), 1),
            cpu_us=round((cpu_seconds() - cpu) / len(succeeded) * 1e6),
            failed=succeeded.count(False),
        )

    def plain(self, phase="plain"):
        """The same without cryptography, to compare."""
        start = lambda name, op: self.nodes[0].put(key(name), opendht.Value(b"v" * 64), op.on_done)
        self.round_trips(phase, 0, start)

    def busy(self):
        self.plain("busy")

    def signed(self, phase="signed", writer=0):
        node = self.nodes[writer]
        start = lambda name, op: node.putSigned(key(name), opendht.Value(b"v" * 64), op.on_done)
        self.round_trips(phase, writer, start)

    def signed_4096(self):
        self.signed("signed_4096", 2)

    def encrypted(self, phase="encrypted", writer=0):
        node, to = self.nodes[writer], self.identities[writer + 1].publickey.getLongId()
        # The recipient's certificate is found once, before.
        Operation(lambda op: node.putEncrypted(key("first"), opendht.Value(b"v"), to, op.on_done)).wait()
        start = lambda name, op: node.putEncrypted(key(name), opendht.Value(b"v" * 64), to, op.on_done)
        self.round_trips(phase, writer, start)

    def encrypted_4096(self):
        self.encrypted("encrypted_4096", 2)

    def join(self):
        began = CLOCK()
        node = new_node()
        node.bootstrap("127.0.0.1", str(self.nodes[0].getBound().getPort()))
        wanted = min(8, len(self.nodes))
        while good_contacts(node) < wanted and CLOCK() - began < 30:
            time.sleep(0.005)
        joined = CLOCK() - began
        found = get(node, "latency 0").wait()
        self.nodes.append(node)
        self.say("join", connected_s=round(joined, 3), found=found.first is not None)

    def kill(self):
        """Half the nodes vanish; then values are looked for at a steady pace, each once."""
        count, seconds = self.plan["kept"], self.plan["kill_s"]
        for i in range(count):
            put(self.nodes[0], f"kept {i}").wait()
        half = len(self.nodes) // 2
        killed, self.nodes = self.nodes[-half:], self.nodes[:-half]
        for node in killed:
            node.join()
        began, gets = CLOCK(), []
        for i in range(count):
            time.sleep(max(0, i / count * seconds - (CLOCK() - began)))
            gets.append((CLOCK() - began, get(self.any(), f"kept {i}")))
        for _, operation in gets:
            operation.wait()
        window = lambda first, last: milliseconds([op.done or 30 for at, op in gets if first <= at < last])
        self.say(
            "kill",
            first_3_s=window(0, 3),
            until_10_s=window(3, 10),
            later=window(10, seconds + 30),
            missed=sum(op.first is None for _, op in gets),
            gets=count,
        )


def main():
    network = Network(json.loads(sys.argv[1]))
    print(json.dumps({"library": f"OpenDHT {importlib.metadata.version('opendht')}"}), flush=True)
    has_crypto = hasattr(opendht.DhtRunner, "putSigned")
    for phase in network.plan["phases"]:
        # Older bindings neither sign nor encrypt.
        if has_crypto or not phase.startswith(("signed", "encrypted")):
            getattr(network, phase)()
    # Without waiting for farewells.
    os._exit(0)


main()
