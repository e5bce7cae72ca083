"""Which errors of a connection are the certificate's."""

import ssl

from workers.brokers.redis.tls import refusal


def test_an_error_that_led_to_itself_is_looked_at_once() -> None:
    """Connections that wait for the same primary raise the same error; a thread that went in a circle spun for ever."""
    error = ConnectionError("closed")
    error.__cause__ = error
    assert refusal(error, "10.0.0.1:6379") is None


def test_a_refused_certificate_is_found_behind_other_errors() -> None:
    """The client wraps what the handshake raised."""
    error = ConnectionError("closed")
    error.__context__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.__context__.verify_message = "certificate has expired"
    assert str(refusal(error, "10.0.0.1:6379")) == (
        "TLS_CA_FILE: the certificate of 10.0.0.1:6379 is refused: certificate has expired"
    )
