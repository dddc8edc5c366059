"""The scenes of the story.

Every code goes from the phone to a picture, and from the picture through the scanner to the
terminal.
"""

import re
import time
from typing import Any, Final

from demonstration.stage import Output, Stage
from demonstration.telling import Result, Teller

__all__ = ["Story"]

CARD: Final = "4242424242424242"

CODE_LIFE_SECONDS: Final = 3
"""So short that the story can wait until a code has expired."""

_BILLS: Final = """merchant_id,bill_reference,login_name,amount,currency_code,description,due_on
cafe,B-17,ana,31.40,EUR,"Coffee for the office, October",2026-11-30
cafe,B-18,ana,12.00,EUR,"Cake for the office",2026-12-31
"""

_TICKETS: Final = """event_id,ticket_id,login_name,entries,place
jazz,A-1,ana,1,Row 4
jazz,A-2,ana,1,Row 5
"""

_POINTS: Final = """programme_id,login_name,grant_reference,points
beans,ana,welcome,500
"""


class Story:
    """Plays the scenes in order; each leaves a result."""

    def __init__(self, stage: Stage, teller: Teller) -> None:
        """Take the stage and who tells."""
        self._stage = stage
        self._tell = teller
        self.results: list[Result] = []

    def play(self) -> None:
        """Play everything."""
        scenes = (
            ("An operator sets the stage, Ana registers", self._set_up),
            (
                "At the till: points, the card for the rest, new points, and a yes on the phone",
                self._sale,
            ),
            ("A bill: the terminal learns the amount", self._bill),
            ("At the gate: one ticket, two scans", self._gate),
            ("The card is declined, so nothing happens at all", self._declined),
            ("Everything in one scan: bill, card, points and admission", self._everything),
            ("A sale is taken back", self._reversal),
            ("A thief photographs a code that is bound to the till", self._thief),
            ("An old picture of a code", self._expired),
        )
        for number, (title, scene) in enumerate(scenes, 1):
            self._tell.scene(number, title)
            scene()

    def _set_up(self) -> None:
        must = self._stage.must
        code_file = str(self._stage.folder / "data" / "operator-enrolment-code")
        init = ("init", "--server", self._stage.address, "--enrolment-code-file", code_file)
        self._tell.show("operator", must("admin", *init))
        programme = ("beans", "--name", "Beans", "--point-value", "0.01", "EUR")
        must("admin", "programmes", "create", *programme)
        must(
            "admin", "merchants", "create", "cafe", "--name", "Corner Café", "--programme", "beans"
        )
        must("admin", "events", "create", "jazz", "--merchant", "cafe", "--name", "Jazz night")
        for terminal in ("till", "gate"):
            code = self._stage.folder / f"{terminal}.code"
            must(
                "admin",
                "terminals",
                "create",
                terminal,
                "--merchant",
                "cafe",
                "--code-file",
                str(code),
            )
            answer = must(
                "terminal",
                "enrol",
                "--server",
                self._stage.address,
                "--code-file",
                str(code),
                home=terminal,
            )
            self._tell.show(terminal, answer)
        trust = ("--server", self._stage.address, "--ca-file", self._stage.ca_file)
        self._tell.show("phone", must("phone", "register", "ana", *trust))
        answer = must("phone", "add-card", "--expires", "2030-12", "--number-file", "-", typed=CARD)
        self._tell.show("phone", re.sub(r" Its id is .*", "", answer))
        for kind, lines in (("bills", _BILLS), ("tickets", _TICKETS), ("points", _POINTS)):
            path = self._stage.folder / f"{kind}.csv"
            path.write_text(lines)
            self._tell.show("operator", must("admin", kind, "import", path.name))
        wallet = self._wallet()
        got = f"{len(wallet['cards'])} card, {len(wallet['bills'])} bills, "
        got += f"{len(wallet['tickets'])} tickets, {self._points()} points"
        self._result("Ana's wallet", "1 card, 2 bills, 2 tickets, 500 points", got)

    def _sale(self) -> None:
        self._tell.say(
            "A coffee machine for 80.00. Ana burns 200 points, her card pays the rest, "
            "she earns 12 points."
        )
        self._tell.say("From 50.00 on the card the policy wants her yes. Her phone shows the code:")
        self._code("sale")
        self._tell.picture(self._stage.folder / "sale.png")
        with self._stage.beside("phone", "watch", "--answer", "approve", "--once") as phone_says:
            self._scan(
                "till",
                "sale",
                "--sale-total",
                "80.00",
                "--burn",
                "200",
                "--charge-rest",
                "--earn",
                "12",
            )
            asked = phone_says().rpartition("awaiting customer")[2]
            self._tell.show("phone", "awaiting customer" + asked)
        sale = self._last("till")
        figures = sale["card_total"]["figures"] if sale["card_total"] else "nothing"
        got = f"{sale['state']}, card {figures}, {self._points()} points"
        self._result("Sale with confirmation", "COMPLETED, card 78.00, 312 points", got)
        self._tell.say("Ana's phone has signed what she saw. Anybody can check that, off line:")
        receipt = self._stage.folder / "receipt.json"
        receipt.write_text(self._stage.must("phone", "receipt", sale["process_id"], "--json"))
        checked = self._stage.run("verify", "confirmation", str(receipt))
        self._tell.show("anybody", checked.text)
        forged = self._stage.folder / "forged.json"
        forged.write_text(receipt.read_text().replace("7800", "7900"))
        refused = self._stage.run("verify", "confirmation", str(forged))
        got = f"genuine: exit {checked.exit_code}, 79.00 instead of 78.00: exit {refused.exit_code}"
        self._result("The signed yes", "genuine: exit 0, 79.00 instead of 78.00: exit 1", got)

    def _bill(self) -> None:
        self._code("bill")
        self._scan("till", "bill", "--pay-bill", "B-17")
        sale = self._last("till")
        amount = sale["actions"][0]["instruction"]["amount"]["figures"]
        left = len(self._wallet()["bills"])
        self._result(
            "Bill paid",
            "COMPLETED, 31.40, 1 bill left",
            f"{sale['state']}, {amount}, {left} bill left",
        )

    def _gate(self) -> None:
        self._code("first", "--purpose", "ticket", "--event", "jazz", "--ticket", "A-1")
        first = self._scan("gate", "first", "--admit", "jazz")
        self._result(
            "First scan at the gate", "admitted", "admitted" if not first.exit_code else "refused"
        )
        self._tell.say("The same ticket again, in a new code:")
        self._code("second", "--purpose", "ticket", "--event", "jazz", "--ticket", "A-1")
        second = self._scan("gate", "second", "--admit", "jazz")
        told = "refused, first use at gate" if "at gate" in second.text else second.text
        self._result(
            "Second scan at the gate",
            "refused, first use at gate",
            told if second.exit_code else "admitted",
        )

    def _declined(self) -> None:
        self._tell.say(
            "The institution's simulator declines amounts that end in 77.51: not enough money."
        )
        self._code("declined")
        with self._stage.beside("phone", "watch", "--answer", "approve", "--once"):
            declined = self._scan(
                "till",
                "declined",
                "--burn",
                "49",
                "--sale-total",
                "78.00",
                "--charge-rest",
                "--admit",
                "jazz",
            )
        sale = self._last("till")
        ticket = next(one for one in self._wallet()["tickets"] if one["ticket_id"] == "A-2")
        unused = "unused" if not ticket["entries_used"] else "used"
        got = (
            f"{sale['state']}, exit {declined.exit_code}, {self._points()} points, ticket {unused}"
        )
        self._result("Declined card", "DECLINED, exit 1, 312 points, ticket unused", got)

    def _everything(self) -> None:
        self._code("everything")
        self._scan(
            *("till", "everything", "--sale-total", "5.00", "--burn", "100", "--charge-rest"),
            *("--earn", "5", "--admit", "jazz", "--pay-bill", "B-18", "--by-card"),
        )
        sale = self._last("till")
        figures = sale["card_total"]["figures"] if sale["card_total"] else "nothing"
        bills = len(self._wallet()["bills"])
        got = f"{sale['state']}, card {figures}, {self._points()} points, {bills} bills"
        self._result("Four kinds in one scan", "COMPLETED, card 16.00, 217 points, 0 bills", got)

    def _reversal(self) -> None:
        sale = self._last("till")
        back = self._stage.run(
            "terminal", "reverse", sale["request_id"], "--note", "goods returned", home="till"
        )
        self._tell.show("till", back.text)
        wallet = self._wallet()
        ticket = next(one for one in wallet["tickets"] if one["ticket_id"] == "A-2")
        unused = "unused" if not ticket["entries_used"] else "used"
        got = f"{self._points()} points, {len(wallet['bills'])} bill, ticket {unused}"
        self._result("Sale taken back", "312 points, 1 bill, ticket unused", got)
        self._tell.show("phone", self._stage.must("phone", "receipt", sale["process_id"]))

    def _thief(self) -> None:
        self._tell.say("The till shows its tag, and Ana's phone gets a code for that till alone:")
        tag = self._stage.folder / "till.tag"
        tag.write_text(self._stage.must("terminal", "tag", "--text", home="till"))
        self._code("bound", "--tag-file", str(tag))
        self._tell.say("Somebody at the gate has photographed it, and is faster:")
        thief = self._scan("gate", "bound", "--charge", "9.00")
        honest = self._scan("till", "bound", "--charge", "3.00")
        got = f"thief: exit {thief.exit_code}, Ana at the till: exit {honest.exit_code}"
        self._result("Stolen picture", "thief: exit 1, Ana at the till: exit 0", got)

    def _expired(self) -> None:
        self._stage.must("admin", "policy", "set", "--code-life-seconds", str(CODE_LIFE_SECONDS))
        self._tell.say(
            f"The policy now gives codes {CODE_LIFE_SECONDS} s to live. "
            "Somebody shows a picture of one, later:"
        )
        self._code("late")
        time.sleep(CODE_LIFE_SECONDS + 1)
        late = self._scan("till", "late", "--charge", "1.00")
        got = "refused" if late.exit_code == 1 else f"exit {late.exit_code}"
        self._result("Expired code", "refused", got)

    def _code(self, name: str, *options: str) -> None:
        said = self._stage.must("phone", "show", "--png", f"{name}.png", *options)
        self._tell.show("phone", said)

    def _scan(self, terminal: str, name: str, *options: str) -> Output:
        output = self._stage.run("terminal", "scan", f"{name}.png", *options, home=terminal)
        self._tell.show(terminal, output.text)
        return output

    def _last(self, terminal: str) -> Any:  # noqa: ANN401 -- JSON
        return self._stage.read("terminal", "sale", home=terminal)

    def _wallet(self) -> Any:  # noqa: ANN401 -- JSON
        return self._stage.read("phone", "wallet")

    def _points(self) -> int:
        balance: int = self._wallet()["points_accounts"][0]["balance"]
        return balance

    def _result(self, scene: str, expected: str, got: str) -> None:
        self.results.append(Result(scene, expected, got))
