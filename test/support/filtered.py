"""Runs a command under a seccomp filter that refuses system calls by number: filtered.py 238,279 COMMAND ARGS…"""
import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE_WITH_EPERM = 0x7FFF0000, 0x00050001

numbers = [int(one) for one in sys.argv[1].split(",")]
program = [(LOAD_WORD, 0, 0, 0)]  # the number of the system call
for i, number in enumerate(numbers):
    program.append((JUMP_EQUAL, len(numbers) - i, 0, number))
program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE_WITH_EPERM)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
whole = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, whole, 0, 0):
    sys.exit(f"prctl: errno {ctypes.get_errno()}")
os.execvp(sys.argv[2], sys.argv[2:])
