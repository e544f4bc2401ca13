"""One OpenDHT node, driven by JSON lines.

Each line on standard input is a command, `{"id": 1, "do": "put", ...}`. It is answered, once, by a line on standard
output: `{"id": 1, "ok": ...}` or `{"id": 1, "error": "..."}`. Answers may come in another order than the commands.
Listening also prints `{"listen": 7, "expired": false, "value": {...}}` whenever there is something to tell.
The first command is `start`; the node ends with its standard input.

Keys and ids are hexadecimal text, data is hexadecimal bytes. The same file runs under the Python bindings of 2.4.12
and of 4.x; a command that a binding lacks is answered by an error that says so.

The node is asked for its ids and ports only while it starts. Such calls wait for the node's lock without letting go of
the interpreter's, and callbacks take these locks the other way round: once callbacks run, both would wait for ever.
"""

import json
import os
import re
import socket
import sys
import threading
from datetime import timedelta
from importlib.metadata import version

import opendht

VERSION = version("opendht")

# The bindings show sequence number and decryption only in a value's text: `Value[id:2a signed (v3) decrypted data:..]`.
VALUE_TEXT = re.compile(r"Value\[id:[0-9a-f]+ (?:signed \(v(?P<seq>\d+)\) )?(?P<decrypted>decrypted )?data")


class Lacking(Exception):
    """The binding in use has no such call."""


def text(identifier):
    """A hash, or what stands for one: 2.4.12 gives node ids as bytes."""
    return identifier.decode() if isinstance(identifier, bytes) else str(identifier)


def infohash(hexadecimal):
    return opendht.InfoHash(hexadecimal.encode())


def make_identity(name, kind, issuer, is_authority):
    """RSA keys are made with a self-signed certificate alone, so that they are of 2048 bits: others take a minute."""
    if kind == "EC":
        key = opendht.PrivateKey.generateEC()
    else:
        key = opendht.Identity.generate(name, opendht.Identity(), 2048).key
    return opendht.Identity(key, opendht.Certificate.generate(key, name, issuer, is_authority))


def build_value(command):
    value = opendht.Value(bytes.fromhex(command["data"]))
    value.id = command.get("value_id", 0)
    value.user_type = command.get("user_type", "")
    return value


def describe_key(public_key):
    """The ids of a public key; 2.4.12 cannot tell the long one."""
    long_id = text(public_key.getLongId()) if hasattr(public_key, "getLongId") else None
    return {"id": text(public_key.getId()), "long_id": long_id}


def describe_value(value):
    shown = VALUE_TEXT.match(str(value))
    signed = shown is not None and shown["seq"] is not None
    return {
        "id": value.id,
        "data": value.data.hex(),
        "user_type": value.user_type,
        "seq": int(shown["seq"]) if signed else None,
        # Asking an ownerless value for its owner crashes 2.4.12.
        "owner": describe_key(value.owner) if signed else None,
        "decrypted": shown is not None and shown["decrypted"] is not None,
        "recipient": text(value.recipient) if value.recipient else None,
    }


def aes(call):
    """Encryption with a password, which the binding of 2.4.12 does not offer."""
    if not hasattr(opendht, call):
        raise Lacking(f"the binding has no {call}")
    return getattr(opendht, call)


class Peer:
    """The node and what was started on it. Each public method is a command, given a function to answer it with."""

    def __init__(self):
        self._runner = opendht.DhtRunner()
        self._output = threading.Lock()
        self._listens = {}
        self._permanent = {}

    def serve(self, lines):
        for line in lines:
            command = json.loads(line)

            def answer(result, identifier=command["id"]):
                self._print({"id": identifier, "ok": result})

            try:
                getattr(self, command["do"])(command, answer)
            except Exception as error:  # the tests judge it
                self._print({"id": command["id"], "error": f"{type(error).__name__}: {error}"})

    def start(self, command, answer):
        config = opendht.DhtConfig()
        config.setNetwork(command["network"])
        identity = None
        if command["identity"]:
            identity = opendht.Identity.generate(command["identity"], opendht.Identity(), 2048)
            config.setIdentity(identity)
        # Both families: a node bound to one neither cancels a listen nor hears its own values.
        self._runner.run(port=command["port"], ipv4="127.0.0.1", ipv6="::1", config=config)
        for number, lifetime in command["lifetimes"]:
            kind = opendht.ValueType(number, f"type {number}", timedelta(seconds=lifetime))
            self._runner.registerType(kind)
        answer(
            {
                "version": VERSION,
                "id": text(self._runner.getNodeId()),
                "address": str(self._runner.getBound(socket.AF_INET)),
                "address6": str(self._runner.getBound(socket.AF_INET6)),
                "key": describe_key(identity.publickey) if identity else None,
                "certificate": identity.certificate.toString() if identity else None,
            }
        )

    def bootstrap(self, command, answer):
        self._runner.bootstrap(command["host"], str(command["port"]))
        answer(None)

    def put(self, command, answer):
        value = build_value(command)
        options = self._permanence(command, value)
        self._runner.put(infohash(command["key"]), value, lambda ok, _nodes: answer(ok), **options)

    def put_signed(self, command, answer):
        self._need("putSigned")
        value = build_value(command)
        options = self._permanence(command, value)
        self._runner.putSigned(infohash(command["key"]), value, lambda ok, _nodes: answer(ok), **options)

    def put_encrypted(self, command, answer):
        self._need("putEncrypted")
        value = build_value(command)
        options = self._permanence(command, value)
        recipient = opendht.PkId(command["to"].encode())
        self._runner.putEncrypted(infohash(command["key"]), value, recipient, lambda ok, _nodes: answer(ok), **options)

    def cancel_put(self, command, answer):
        self._need("cancelPut")
        value = self._permanent.pop((command["key"], command["value_id"]))
        self._runner.cancelPut(infohash(command["key"]), value)
        answer(None)

    def get(self, command, answer):
        values = []

        def found(value):
            values.append(describe_value(value))
            return True

        def done(ok, nodes):
            answer({"reached": ok, "values": values, "nodes": [text(node.getId()) for node in nodes]})

        self._runner.get(infohash(command["key"]), found, done, where=opendht.Where(command["where"]))

    def listen(self, command, answer):
        number = command["id"]

        def changed(value, expired):
            self._print({"listen": number, "expired": expired, "value": describe_value(value)})
            return True

        self._listens[number] = self._runner.listen(infohash(command["key"]), changed)
        answer(number)

    def cancel_listen(self, command, answer):
        self._runner.cancelListen(self._listens.pop(command["listen"]))
        answer(None)

    def trusts(self, command, answer):
        """Whether a trust list with the first certificate accepts the second, each with what is above it."""
        trusted = opendht.TrustList()
        trusted.add(opendht.Certificate(command["authority"].encode()))
        answer(bool(trusted.verify(opendht.Certificate(command["chain"].encode()))))

    def make_chain(self, command, answer):
        """An authority of its own, an authority below it and a leaf, with keys of these kinds; the leaf's chain."""
        issuer = opendht.Identity()
        *authorities, leaf = command["kinds"]
        for depth, kind in enumerate(authorities):
            issuer = make_identity(f"authority {depth}", kind, issuer, True)
        certificate = make_identity("leaf", leaf, issuer, False).certificate
        answer(text(certificate.toString()))

    def seal(self, command, answer):
        """Encrypts with a password."""
        answer(aes("aesEncrypt")(bytes.fromhex(command["data"]), command["password"]).hex())

    def open(self, command, answer):
        """Decrypts with a password; null if it is the wrong one."""
        try:
            answer(aes("aesDecrypt")(bytes.fromhex(command["data"]), command["password"]).hex())
        except RuntimeError:
            answer(None)

    def _permanence(self, command, value):
        """The argument for a permanent put, which 2.4.12 lacks. Cancelling one takes the value that was put."""
        if not command["permanent"]:
            return {}
        self._need("cancelPut")
        self._permanent[command["key"], value.id] = value
        return {"permanent": True}

    def _need(self, call):
        if not hasattr(self._runner, call):
            raise Lacking(f"the Python binding of OpenDHT {VERSION} has no {call}")

    def _print(self, message):
        with self._output:
            print(json.dumps(message), flush=True)


if __name__ == "__main__":
    Peer().serve(sys.stdin)
    os._exit(0)  # no call of the node's: see above
