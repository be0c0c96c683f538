"""Talk without a call, what cannot be done here, and tools that nobody has seen before."""

import random
from typing import Final

import msgspec

from train import smalltalk
from train.format import asks, call, result, says
from train.scene import Scene, Task
from train.words import Split
from vtcode.providers import JsonObject, ToolSpec

HELLO: Final = "Hello. What shall I look at?"
WHO: Final = "I am vtcode, a coding agent. I read, search and edit files here, and I run commands."
WELCOME: Final = "You are welcome."
UNKNOWN: Final = "I know too little to say. I read, search and edit files here, and I run commands."
HERE: Final = "I am here when there is something to do in the code."
CANNOT: Final = "I cannot do that. I read, search and edit files here, and I run commands."


class Foreign(msgspec.Struct, frozen=True):
    """A tool of some MCP server, and how people ask for it."""

    name: str
    description: str
    argument: str
    asked: tuple[str, ...]
    """With `{value}` for the argument."""
    answer: str
    """With `{value}` and `{found}`."""
    kind: str = "string"

    @property
    def spec(self) -> ToolSpec:
        schema: JsonObject = {
            "type": "object",
            "properties": {self.argument: {"type": self.kind}},
            "required": [self.argument],
        }
        return ToolSpec(f"mcp__{self.name}", self.description, schema)


FOREIGN: Final[dict[Split, tuple[Foreign, ...]]] = {
    "train": (
        Foreign(
            "tracker__get_issue",
            "Get an issue by number",
            "number",
            ("What does issue {value} say?", "Show me issue {value}", "Get issue #{value}."),
            "Issue {value}: {found}.",
            "integer",
        ),
        Foreign(
            "wiki__find_page",
            "Find a page of the wiki",
            "title",
            ("Find the wiki page {value}.", "What does the wiki say on {value}?", "Look up {value} in the wiki"),
            "The wiki says on {value}: {found}.",
        ),
        Foreign(
            "db__run_query",
            "Run an SQL query",
            "query",
            ("Run the query select * from {value}", "Ask the database: select count(*) from {value}"),
            "The query gave: {found}.",
        ),
        Foreign(
            "chat__post_message",
            "Post a message to the team",
            "text",
            ("Tell the team: {value}", "Post {value} to the team.", "Write {value} in the team chat"),
            "I posted {value}: {found}.",
        ),
        Foreign(
            "calendar__list_events",
            "List the events of a day",
            "day",
            ("What is on {value}?", "Which events are there on {value}?"),
            "On {value} there is: {found}.",
        ),
        Foreign(
            "build__get_status",
            "Get the status of a build",
            "branch",
            ("How is the build of {value}?", "Build status of {value}?", "Is the build of {value} green?"),
            "The build of {value}: {found}.",
        ),
        Foreign(
            "people__find_person",
            "Find a person by name",
            "name",
            ("Who is {value}?", "Find the person called {value}."),
            "{value}: {found}.",
        ),
        Foreign(
            "shop__get_price",
            "Get the price of an item",
            "item",
            ("What does {value} cost?", "Price of {value}?"),
            "{value} costs {found}.",
        ),
        Foreign(
            "docs__search_docs",
            "Search the documentation",
            "words",
            ("Search the documentation for {value}", "What do the docs say about {value}?"),
            "The documentation on {value}: {found}.",
        ),
        Foreign(
            "metrics__read_metric",
            "Read a metric",
            "metric",
            ("How high is the metric {value}?", "Read metric {value}."),
            "{value} is at {found}.",
        ),
        Foreign(
            "orders__cancel_order",
            "Cancel an order by its number",
            "number",
            (
                "Cancel order {value}.",
                "Order {value} is not wanted any more, cancel it.",
                "Please take back order {value}",
            ),
            "I cancelled order {value}: {found}.",
            "integer",
        ),
        Foreign(
            "lamp__set_scene",
            "Set a scene of the lamps",
            "scene",
            ("Set the scene {value}.", "I want the scene {value}, please.", "The lamps should show {value}."),
            "The lamps show {value}: {found}.",
        ),
        Foreign(
            "music__play_album",
            "Play an album",
            "album",
            ("Play the album {value}.", "I would like to hear {value}.", "Put on {value}, please."),
            "I play {value}: {found}.",
        ),
        Foreign(
            "parcel__track_parcel",
            "Track a parcel",
            "code",
            ("Where is the parcel {value}?", "Track parcel {value}.", "The parcel {value} is late; find it."),
            "The parcel {value}: {found}.",
        ),
        Foreign(
            "rooms__book_room",
            "Book a meeting room",
            "room",
            ("Book the room {value}.", "We need the room {value}.", "Is {value} free? Then book it."),
            "I booked {value}: {found}.",
        ),
        Foreign(
            "mail__send_mail",
            "Send a mail",
            "text",
            ("Mail them: {value}", "Send a mail that says {value}.", "Write a mail: {value}"),
            "I sent {value}: {found}.",
        ),
        Foreign(
            "dictionary__define_word",
            "Define a word",
            "word",
            ("Define {value}.", "What does the word {value} mean?", "The word {value}: what is it?"),
            "{value} means {found}.",
        ),
        Foreign(
            "oven__heat_dish",
            "Heat a dish",
            "dish",
            ("Heat up {value} for lunch", "{value} should be hot by noon", "I want {value} warm."),
            "I heat {value}: {found}.",
        ),
        Foreign(
            "deploy__start_release",
            "Start the release of a service",
            "service",
            ("Release {value}.", "Deploy {value} now.", "The service {value} is ready to go out, release it."),
            "I released {value}: {found}.",
        ),
        Foreign(
            "pets__feed_pet",
            "Feed a pet",
            "pet",
            (
                "Feed {value}.",
                "Has {value} had its food? If not, feed it.",
                "The pet {value} has had nothing yet today",
            ),
            "I fed {value}: {found}.",
        ),
        Foreign(
            "archive__open_case",
            "Open a case of the archive",
            "case",
            ("Open the case {value}.", "Show me the case {value}, please."),
            "The case {value}: {found}.",
        ),
        Foreign(
            "flights__find_flight",
            "Find a flight by its number",
            "flight",
            ("Find flight {value}.", "When does flight {value} leave?", "Flight {value}, please."),
            "Flight {value}: {found}.",
            "integer",
        ),
        Foreign(
            "translate__translate_text",
            "Translate a text",
            "text",
            ("Translate {value}.", "What is {value} in another language?", "Put {value} into another language."),
            "Translated, {value} is {found}.",
        ),
        Foreign(
            "sensors__read_sensor",
            "Read a sensor",
            "sensor",
            ("What does the sensor {value} show?", "Read the sensor {value}.", "How warm is it at {value}?"),
            "The sensor {value} shows {found}.",
        ),
        Foreign(
            "backup__restore_copy",
            "Restore a copy from the backup",
            "copy",
            ("Restore {value}.", "Bring back {value} from the backup.", "{value} is lost, restore it."),
            "I restored {value}: {found}.",
        ),
    ),
    "held": (
        Foreign(
            "library__lend_book",
            "Lend a book by its title",
            "book",
            ("I would like to lend {value}.", "Lend me the book {value}"),
            "I lent {value}: {found}.",
        ),
        Foreign(
            "garden__water_bed",
            "Water a bed of the garden",
            "bed",
            ("Water {value}, please.", "The bed {value} is dry; water it."),
            "I watered {value}: {found}.",
        ),
        Foreign(
            "radio__tune_station",
            "Tune to a station",
            "station",
            ("Tune in to {value}.",),
            "Tuned to {value}: {found}.",
        ),
    ),
}
_SETS: Final = random.Random("sets")
_OFFERED: Final = [_SETS.sample(FOREIGN["train"], 1 + number % 3) for number in range(40)]
"""What servers offer together."""
_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday today tomorrow".split()


def talk(scene: Scene) -> Task:
    """Answer small talk, in one case after another."""
    wordings, answer = scene.draw.choice(
        ((smalltalk.HELLO, HELLO), (smalltalk.WHO, WHO), (smalltalk.THANKS, WELCOME), (smalltalk.CHAT, HERE))
    )
    return Task(messages=(asks(scene.ask(wordings)), says(answer)))


def cannot(scene: Scene) -> Task:
    """Say that something cannot be done here."""
    who = scene.names.word().capitalize()
    return Task(messages=(asks(scene.ask(smalltalk.CANNOT, who=who)), says(CANNOT)), wanted=("cannot",))


def know(scene: Scene) -> Task:
    """Say that a question is beyond so small a model, and look nothing up."""
    concept, other = scene.draw.sample(smalltalk.CONCEPTS, 2)
    place, animal = scene.draw.choice(smalltalk.PLACES), scene.draw.choice(smalltalk.ANIMALS)
    asked = scene.order(smalltalk.KNOW, concept=concept, other=other, place=place, animal=animal)
    return Task(messages=(asks(asked), says(UNKNOWN)))


def foreign(scene: Scene) -> Task:
    """Use a tool of a server, with one or two others beside it."""
    draw, names = scene.draw, scene.names
    if scene.split == "train":
        # Few different sets, so that many conversations have the same instructions and are computed at once.
        offered = draw.choice(_OFFERED)
        used = draw.choice(offered)
    else:
        offered = draw.sample(FOREIGN[scene.split], draw.randrange(1, 4))
        used = offered[0]
    match used.name.partition("__")[0]:
        case "tracker" | "orders" | "flights":
            value: str | int = draw.randrange(1, 9000)
        case "db":
            value = names.word()
        case "calendar":
            value = draw.choice(_DAYS)
        case _:
            value = " ".join(names.word() for _ in range(draw.choice((1, 1, 2))))
    template = draw.choice(used.asked)
    scene.templates.append(template)
    asked, found = template.format(value=value), f"{names.word()} {names.word()} {names.number()}"
    argument = value
    if used.name.startswith("db__"):
        argument = asked[asked.index("select") :]
    if scene.split == "held":
        draw.shuffle(offered)
    return Task(
        messages=(
            asks(asked),
            call(f"mcp__{used.name}", **{used.argument: argument}),
            result(f"mcp__{used.name}", found),
            says(used.answer.format(value=value, found=found)),
        ),
        wanted=(found,),
        specs=tuple(each.spec for each in offered),
    )
