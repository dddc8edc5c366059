"""What the rules are written in."""

import gc

import msgspec

from tallymark_server.domain.model.merchants import Merchant
from tallymark_server.domain.value import Value
from tests.unit.domain.every_class import classes_of_domain
from tests.unit.domain.furniture import euro


def test_every_struct_of_the_rules_is_a_value_that_never_changes() -> None:
    structs = classes_of_domain(msgspec.Struct)

    assert structs == classes_of_domain(Value)
    assert [kind for kind in structs if not kind.__struct_config__.frozen] == []


def test_the_search_for_garbage_visits_no_value_and_no_key() -> None:
    assert [kind for kind in classes_of_domain(Value) if kind.__struct_config__.gc] == []
    assert not gc.is_tracked(euro(1))
    assert not gc.is_tracked(Merchant.key_of("cafe"))
