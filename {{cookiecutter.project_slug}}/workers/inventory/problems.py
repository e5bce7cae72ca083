"""What can be wrong with an inventory. Codes are stable: runbooks and searches refer to them."""

from typing import Final

CODES: Final[dict[str, str]] = {
    "I01": "a host that cannot be reached",
    "I02": "a host without the Python that the project needs",
    "I03": "a host that is not Debian 13",
    "I04": "a clock that is wrong",
    "I05": "more memory than the host has",
    "I06": "a disk that is too small",
    "I10": "a group without a host",
    "I11": "more or fewer hosts than workers.yml reckons with",
    "I12": "a group of workers that workers.yml does not have",
    "I13": "a number of brokers that has no majority",
    "I14": "two schedulers without a lock",
    "I15": "more connections than are allowed",
    "I16": "a host that others cannot find",
    "I17": "a variable that contradicts the inventory",
}
