"""A mail server that takes everything and delivers nothing: python -m rehearsal.mail PORT CERTIFICATE KEY.

For projects that would send real mail while they are rehearsed. It speaks STARTTLS, as a provider's port 587 does, and
believes any password.
"""

import asyncio
import ssl
import sys
from typing import Final

#: What it answers to each command; all others get 250.
ANSWERS: Final = {"STARTTLS": "220 go on", "AUTH": "235 welcome", "DATA": "354 end with a dot", "QUIT": "221 bye"}
_GREETING: Final = "250-rehearsal\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    async def say(line: str) -> None:
        writer.write(f"{line}\r\n".encode())
        await writer.drain()

    await say("220 rehearsal")
    while line := (await reader.readline()).decode(errors="replace"):
        command = line.split(maxsplit=1)[0].upper() if line.strip() else ""
        await say(_GREETING if command == "EHLO" else ANSWERS.get(command, "250 fine"))
        if command == "STARTTLS":
            await writer.start_tls(context)
        elif command == "DATA":
            await reader.readuntil(b"\r\n.\r\n")
            await say("250 taken")
        elif command == "QUIT":
            break
    writer.close()


async def _run(port: int, certificate: str, key: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(reader, writer, context)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()  # a client that has gone

    async with await asyncio.start_server(serve, port=port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
