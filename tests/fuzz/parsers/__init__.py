"""All readers of foreign bytes, by name."""

from collections.abc import Mapping

from tests.fuzz.parser import Parser
from tests.fuzz.parsers import card_messages, evidence, kept_files, keys, scans, signed_texts

__all__ = ["PARSERS"]

PARSERS: Mapping[str, Parser] = {
    parser.name: parser
    for module in (signed_texts, evidence, keys, kept_files, scans, card_messages)
    for parser in module.PARSERS
}
