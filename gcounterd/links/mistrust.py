"""Mistrust: why a handshake came to nothing, as one of a few reasons.

Theory. OpenSSL has some hundred words for it, and what the other side objects to comes as an alert.
An operator has to know one of few things: whose certificate, and what about it. So both become a
reason, a short constant for metrics, and a sentence for the log; no text from the peer takes part.

This module refuses to know connections.
"""

from __future__ import annotations

import enum
import ssl

import attrs


class Reason(enum.StrEnum):
    """Why two processes do not speak TLS with each other."""

    AUTHORITY = "authority"  # signed by nobody whom the other side trusts
    DATES = "dates"  # expired, or not good yet
    MISSING = "no_certificate"  # a client that shows none
    CERTIFICATE = "certificate"  # anything else about a certificate
    NAME = "name"  # it stands for another node or cluster than the hello says
    VERSION = "version"  # no TLS 1.3
    PLAIN = "plain"  # one of them speaks no TLS
    CLOSED = "closed"  # ended before its end
    TIMEOUT = "timeout"
    OTHER = "other"


@attrs.frozen
class Mistrust:
    """A reason, and a sentence that says what to look at."""

    reason: Reason
    text: str


# What OpenSSL calls a failed look at a certificate: issuers unknown in several ways, and dates.
_ISSUERS = (2, 18, 19, 20, 21, 24)
_DATES = (9, 10)
# Pieces of the names of what OpenSSL reports, the first that fits counts. "Alert" is the peer's.
_BY_WORD = (
    ("UNKNOWN_CA", Reason.AUTHORITY),
    ("CERTIFICATE_EXPIRED", Reason.DATES),
    ("CERTIFICATE_REQUIRED", Reason.MISSING),
    ("DID_NOT_RETURN_A_CERTIFICATE", Reason.MISSING),
    ("ALERT_BAD_CERTIFICATE", Reason.CERTIFICATE),
    ("ALERT_CERTIFICATE", Reason.CERTIFICATE),
    ("ALERT_UNSUPPORTED_CERTIFICATE", Reason.CERTIFICATE),
    ("WRONG_VERSION_NUMBER", Reason.PLAIN),
    ("PACKET_LENGTH_TOO_LONG", Reason.PLAIN),
    ("RECORD_LAYER_FAILURE", Reason.PLAIN),
    ("HTTP_REQUEST", Reason.PLAIN),
    ("PROTOCOL_VERSION", Reason.VERSION),
    ("UNSUPPORTED_PROTOCOL", Reason.VERSION),
)
_TEXTS = {
    Reason.AUTHORITY: ("its authority or key is none of ours", "it does not trust our authority"),
    Reason.DATES: ("its certificate is not good today", "our certificate is not good today"),
    Reason.MISSING: ("it shows no certificate", "it wants a certificate and got none"),
    Reason.CERTIFICATE: ("its certificate cannot be used", "it cannot use our certificate"),
    Reason.VERSION: ("it does not speak TLS 1.3", "it does not speak TLS 1.3"),
}
_OTHERS = {
    Reason.PLAIN: "it does not speak TLS: start it with --tls-cert, --tls-key and --tls-ca or with "
    "--cluster-key-file, like the others",
    Reason.CLOSED: "it closed the connection during the handshake",
    Reason.TIMEOUT: "the handshake was not done in time",
}


def of_reason(reason: Reason) -> Mistrust:
    """Return what there is to say of a reason alone."""
    return Mistrust(reason, _OTHERS[reason])


def of_error(error: BaseException | None) -> Mistrust:
    """Return what an error of the handshake means, or the first one after it."""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
        return of_reason(Reason.CLOSED)
    word = (error.reason or "").upper().replace(" ", "_")
    by_peer = "ALERT" in word
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _of_check(error.verify_code)
    else:
        reason = next((found for piece, found in _BY_WORD if piece in word), Reason.OTHER)
    if reason in _OTHERS:
        return of_reason(reason)
    texts = _TEXTS.get(reason)
    return Mistrust(reason, texts[by_peer] if texts else f"TLS says {word or 'nothing'}")


def _of_check(code: int) -> Reason:
    if code in _ISSUERS:
        return Reason.AUTHORITY
    return Reason.DATES if code in _DATES else Reason.CERTIFICATE
