"""A client of the interface in another language, from docs/concepts/interface.md alone.

    client.py SOCKET [UID]

Connects (as another user when UID is given), asks context.query for one object, sends an attribute that nobody knows,
and what is wrong; prints what came back as JSON.
"""

import json
import os
import socket
import struct
import sys

MANDATORY, WRITTEN = 1, 2
ANSWER, FAILURE = 1, 2
ERRNO, CODE, MESSAGE, PATH, IGNORED = 0xFF04, 0xFF03, 0xFF05, 0xFF06, 0xFF01


def pad(data):
    return data + b"\0" * (-len(data) % 8)


def attribute(number, payload, flags=MANDATORY):
    return struct.pack("<HHI", number, flags, len(payload)) + pad(payload)


def request(object_id, method, request_id, attributes):
    body = b"".join(attributes)
    return struct.pack("<IHHQHHI", 24 + len(body), object_id, method, request_id, len(attributes), 0, 0) + body


def attributes_of(data):
    found, at = {}, 0
    while at < len(data):
        number, flags, length = struct.unpack_from("<HHI", data, at)
        found[number] = (flags, data[at + 8 : at + 8 + length])
        at += 8 + length + (-length % 8)
    return found


def items(data):
    count, stride = struct.unpack_from("<II", data)
    at, found = 8, []
    for _ in range(count):
        length = stride
        if stride == 0:
            (length,) = struct.unpack_from("<I", data, at)
            at += 8
        found.append(data[at : at + length])
        at += length if stride else length + (-length % 8)
    return found


class Client:
    def __init__(self, path):
        self.stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.stream.connect(path)
        self.last = 0

    def read(self, length):
        data = b""
        while len(data) < length:
            more = self.stream.recv(length - len(data))
            if not more:
                raise EOFError("the service closed the connection")
            data += more
        return data

    def call(self, object_id, method, attributes):
        self.last += 1
        try:
            self.stream.sendall(request(object_id, method, self.last, attributes))
        except BrokenPipeError:
            pass
        head = self.read(24)
        length, _, _, answer_id, count, kind, reserved = struct.unpack("<IHHQHHI", head)
        found = attributes_of(self.read(length - 24))
        assert reserved == 0 and count == len(found) and kind in (ANSWER, FAILURE)
        assert answer_id in (self.last, 0)
        if kind == FAILURE:
            failure = {name: found[number][1].decode() for name, number in (("code", CODE), ("errno", ERRNO), ("message", MESSAGE))}
            failure["path"] = [struct.unpack("<I", one)[0] for one in items(found[PATH][1])] if PATH in found else None
            return failure
        return found


def u32(value):
    return struct.pack("<I", value)


def main():
    if len(sys.argv) > 2:
        os.setgid(int(sys.argv[2]))
        os.setuid(int(sys.argv[2]))
    client = Client(sys.argv[1])
    answer = client.call(1, 2, [attribute(1, u32(1))])
    if "errno" in answer:
        print(json.dumps({"refused": answer}))
        return
    flags, objects = answer[4]
    assert flags == WRITTEN
    names = [attributes_of(one)[2][1].decode() for one in items(objects)]
    methods = [attributes_of(one)[2][1].decode() for one in items(attributes_of(items(objects)[0])[5][1])]
    with_stranger = client.call(1, 2, [attribute(1, u32(1)), attribute(77, b"what?", 0)])
    ignored = [struct.unpack("<I", one)[0] for one in items(with_stranger[IGNORED][1])]
    mandatory = client.call(1, 2, [attribute(77, b"what?")])
    wrong = client.call(1, 2, [attribute(1, u32(70000))])
    # Many before the first answer is read.
    for number in range(100):
        client.stream.sendall(request(1, 2, 1000 + number, [attribute(1, u32(2))]))
    order = []
    for _ in range(100):
        head = client.read(24)
        length, _, _, answer_id, _, kind, _ = struct.unpack("<IHHQHHI", head)
        client.read(length - 24)
        order.append(answer_id - 1000 if kind == ANSWER else -1)
    print(
        json.dumps(
            {
                "objects": names,
                "methods": methods,
                "ignored": ignored,
                "mandatory": mandatory,
                "wrong": wrong,
                "inOrder": order == list(range(100)),
            }
        )
    )


main()
