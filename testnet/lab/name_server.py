"""A name server that knows one address for every name: name_server.py LISTEN ADDRESS. RFC 1035, 4.1."""

import socket
import sys

A_RECORD = 1

listen, address = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
    door.bind((listen, 53))
    while True:
        query, sender = door.recvfrom(512)
        question = query[12 : query.index(0, 12) + 5]
        is_address = question[-3] == A_RECORD
        answer = query[:2] + bytes([0x81, 0x80, 0, 1, 0, is_address, 0, 0, 0, 0]) + question
        if is_address:
            answer += bytes([0xC0, 12, 0, A_RECORD, 0, 1, 0, 0, 0, 60, 0, 4]) + socket.inet_aton(address)
        door.sendto(answer, sender)
