"""What people ask, in many wordings: `[a|b]` is a choice, `{slot}` is filled in; no wording is in both splits."""

import random
import re
from typing import Final

from train.words import Split

Wordings = dict[Split, list[str]]

_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")

LOOKUP: Final[Wordings] = {
    "train": [
        "What is [the |]{key} in {path}?",
        "what is {key} in {path}",
        "What is the value of {key} in {path}?",
        "[Please read|Read|Open|Look at|Have a look at] {path}[.| and tell me] [What is|what is|Give me] {key}[?|]",
        "[Tell me|Give me|Show me] [the |]{key} [from|in|of] {path}[.|]",
        "Which {key} [does {path} have|is set in {path}|stands in {path}|does {path} name]?",
        "[Can you|Could you] tell me [what|which] {key} [is in|{path} has for it: ]{path}?",
        "{path}: what is {key}?",
        "To what is {key} set in {path}?",
        "How [much|large|long] is {key} in {path}?",
        "[I need|I want to know] the {key} [that is|written] in {path}[.|]",
        "Look up {key} in {path}[.|, please.]",
        "[Get|Fetch|Print] {key} from {path}",
        "In {path}, what [is|does] {key}[ say|]?",
    ],
    "held": [
        "Check {path} and report {key}.",
        "What does {path} give for {key}?",
        "hey, {key} in {path}, what's that set to?",
        "According to {path}, {key} is what?",
        "I forgot what {path} uses as {key}. Remind me?",
    ],
}
WHERE: Final[Wordings] = {
    "train": [
        "Where is {name} defined?",
        "where is {name}",
        "[Find|Locate] [where|the place where] {name} is defined[.|]",
        "[Find|Search for|Look for|grep|grep for] {name}[ in the project| in the code| please|]",
        "[Which|What] file [has|holds|defines|contains] {name}?",
        "In which file [is|can I find] {name}[ defined|]?",
        "[Can you|Could you|Please] [find|search for|locate] {name}[?|]",
        "[Show me|Tell me] where {name} [is|comes from|stands][.|]",
        "Search the [code|files|workspace|project] for {name}[.|]",
        "Is there [anything|something] called {name}[ here| in this project|]?",
        "On which line is {name}?",
    ],
    "held": [
        "I can't remember which module {name} lives in.",
        "Track down {name} for me",
        "Point me to {name}.",
        "whereabouts is {name} declared?",
    ],
}
GLOBAL_VALUE: Final[Wordings] = {
    "train": [
        "What is {key}[ set to| here| in this project|]?",
        "What is the value of {key}?",
        "[Find|Look up|Search for] {key} and tell me its value[.|]",
        "[Tell me|Do you know] what {key} is[.|?]",
        "Which value does {key} have[ in the code|]?",
        "[How large|How big|How long] is {key}?",
        "[Give|Show] me the value of {key}",
    ],
    "held": [
        "What number or text did we pick for {key}?",
        "{key} equals what?",
        "Somewhere {key} is assigned; to what?",
    ],
}
LIST: Final[Wordings] = {
    "train": [
        "[Which|What] files are [in|inside|under|below] {folder}?",
        "[List|Show|Show me|Print] [the files in|the files of|all files in|everything in] {folder}[.|]",
        "[What is|What's] in [the folder |]{folder}?",
        "ls {folder}",
        "What does {folder} [hold|contain|have in it]?",
        "[Tell me|Can you tell me] [what|which files] {folder} [has|holds|contains][.|]",
        "list {folder}",
        "Give me [a list of |]the [contents|files] of {folder}[.|]",
    ],
    "held": [
        "What all sits in {folder}?",
        "Enumerate {folder} for me.",
        "I'd like an overview of the {folder} directory.",
    ],
}
LIST_ALL: Final[Wordings] = {
    "train": [
        "[Which|What] files are [here|there|in this project|in the workspace]?",
        "[List|Show me|Show] [all files|the files|the project's files|every file][.|]",
        "[What is|What's] in this [project|folder|workspace|repository]?",
        "ls",
        "Which files does [this|the] project have?",
    ],
    "held": ["Give me the lay of the land: what files exist?", "What have we got in this repo?"],
}
COUNT: Final[Wordings] = {
    "train": ["How many files are in {folder}?", "[Count|Please count] the files in {folder}[.|]"],
    "held": ["{folder} has how many files?", "Tell me the number of files below {folder}."],
}
REPLACE: Final[Wordings] = {
    "train": [
        "In {path} [change|replace] {old} [to|with|by] {new}[.|]",
        "[Change|Replace] {old} [to|with|by] {new} in {path}[.|]",
        "[Please edit|Edit|Open] {path}[ and|:] [change|replace] {old} [to|with|by] {new}[.|]",
        "{path}: [change|replace] {old} [to|with] {new}",
        "[Can you|Could you] [change|replace] {old} [to|with|by] {new} in {path}?",
        "{old} in {path} should [become|be] {new}[.|]",
        "Turn {old} into {new} in {path}[.|]",
    ],
    "held": [
        "Swap {old} for {new} in {path}.",
        "Inside {path}, {old} has to read {new}.",
        "rewrite {old} as {new}, file {path}",
    ],
}
SET: Final[Wordings] = {
    "train": [
        "[Set|Change] {key} [in|of] {path} to {new}[.|]",
        "In {path}[,|] [set|change|put] {key} to {new}[.|]",
        "[Please|Can you|Could you] [set|change] {key} to {new} in {path}[?|.|]",
        "Make {key} {new} in {path}[.|]",
        "[Raise|Lower|Update] {key} in {path} to {new}[.|]",
        "{key} in {path} should be {new}[.|]",
        "[Edit|Open] {path} and [set|make] {key} [to |]{new}[.|]",
        "Give {key} the value {new} in {path}[.|]",
    ],
    "held": [
        "{path} needs {key} at {new} from now on.",
        "Adjust {path} so that {key} is {new}.",
        "I want {new} as {key} in {path}.",
    ],
}
LINE: Final[Wordings] = {
    "train": [
        "What is [on|in] line {number} of {path}?",
        "[Show|Print|Read|Give me] line {number} of {path}[.|]",
        "[Tell me|Can you tell me] what line {number} of {path} [is|says|holds][.|?]",
        "{path} line {number}",
    ],
    "held": ["Quote line {number} from {path}.", "In {path}, line {number} reads how?"],
}
RENAME: Final[Wordings] = {
    "train": [
        "Rename [the function |function |]{name} to {new} in {path}[.|]",
        "In {path}[,|] rename {name} to {new}[.|]",
        "[Call|Please call] {name} {new} [instead |]in {path}[.|]",
        "{name} in {path} should be called {new}[.|]",
        "[Change the name of|Rename] {name} in {path} to {new}[.|]",
    ],
    "held": ["Give {name} in {path} the new name {new}.", "{path}: {name} is a bad name, use {new}."],
}
IMPORT: Final[Wordings] = {
    "train": [
        "[Add|Put] import {module} [to|into] {path}[.|]",
        "{path} [lacks|is missing|needs] import {module}[.|. Add it.|, add it]",
        "[Import|Please import] {module} in {path}[.|]",
        "Add the missing import of {module} to {path}[.|]",
        "{path} uses {module} without importing it. [Fix that|Fix it|Add the import].",
    ],
    "held": ["We forgot to import {module} in {path}; correct it.", "{path} wants {module} imported."],
}
FLIP: Final[Wordings] = {
    "train": [
        "The condition in {name} in {path} is [wrong|off]: it [should|must] use {new} instead of {old}[.|]",
        "In {path}[,|] [make|let] {name} [use|compare with] {new} [instead of|and not] {old}[.|]",
        "[Fix|Correct] the comparison in {name} ({path}): {old} should be {new}[.|]",
        "{name} in {path} should [check|test] {new}, not {old}[.|]",
    ],
    "held": [
        "There is a bug in {path}: {name} has {old} where {new} belongs.",
        "Use {new} rather than {old} within {name}, {path}.",
    ],
}
WRITE: Final[Wordings] = {
    "train": [
        "Write {text} to {path}[.|]",
        "[Create|Make] [a file |the file |]{path} [with|holding|that says] {text}[.|]",
        "[Create|Make|Please create] {path} with the [text|content|line] {text}[.|]",
        "[Save|Put|Store] {text} [in|into|as|to] {path}[.|]",
        "[Write|Add] a [new |]file {path} [with|containing] {text}[.|]",
        "I need a file {path} [that says|with the text|with] {text}[.|]",
        "[Can you|Could you] [write|save|put] {text} [to|into|in] {path}?",
    ],
    "held": [
        "Drop {text} into a new {path}.",
        "There should be a {path} whose content is {text}.",
        "start {path} with {text} in it",
    ],
}
RUN: Final[Wordings] = {
    "train": [
        "[Run|run|Execute|Start] {command}[.|]",
        "[Please run|Can you run|Could you run] {command}[?|.|]",
        "[Run|Execute] {command} and tell me [what it prints|what happens|the result|how it went][.|]",
        "What does {command} [print|say|give|show]?",
        "$ {command}",
        "Does {command} [work|pass|succeed|run]?",
        "[Try|Launch] {command}[.|]",
        "Run the command {command}[.|]",
        "[Let|Let's] run {command}[.|]",
        "What happens when [you|I] run {command}?",
    ],
    "held": ["Fire up {command}, how does it end?", "Give {command} a go.", "Invoke {command} and summarise."],
}
RETURNS: Final[Wordings] = {
    "train": [
        "What does {name} return?",
        "What does [the function |]{name} [give back|do at the end]?",
        "[Tell me|Show me] what {name} returns[.|]",
        "[Find|Look at] {name} and [tell me|say] what it returns[.|]",
        "Which value does {name} return?",
        "How does {name} [end|compute its result]?",
    ],
    "held": ["What comes out of {name}?", "The return value of {name}, please."],
}
THEN_RUN: Final[Wordings] = {
    "train": [
        " [Then run|Then start|Afterwards run|and then run|After that run] {command}[.|]",
        " Run {command} [afterwards|after that|when you are done|to check][.|]",
        " [Check|Test|Verify] it with {command}[.|]",
    ],
    "held": [" Once changed, {command} must still pass.", " Finish with {command}."],
}
THANKS: Final[Wordings] = {
    "train": [
        "[Thanks|Thank you|thanks|thank you|thx|Thanks a lot|Many thanks|Cheers][!|.|]",
        "[Great|Perfect|Good|Nice|Very good|Well done|Cool|ok|OK][, thanks|, thank you|!|.|]",
    ],
    "held": ["Much obliged!", "Lovely, that is all I wanted.", "Brilliant work."],
}
HELLO: Final[Wordings] = {
    "train": [
        "[Hi|Hello|Hey|hi|hello|Good morning|Good evening|Hey there|Hi there|yo|Moin][!|.|]",
        "[Hi|Hello|Hey], [how are you|how is it going|are you there|anyone here]?",
        "[Are you there|You there|Can you hear me]?",
    ],
    "held": ["Greetings, machine.", "howdy", "Good afternoon to you!", "What's up?"],
}
WHO: Final[Wordings] = {
    "train": [
        "[Who|What] are you?",
        "What can you do[ for me|]?",
        "[What is your name|Tell me about yourself|Introduce yourself][.|?|]",
        "How can you help[ me|]?",
        "Are you [a person|human|a robot|an AI]?",
        "[help|Help|Help me]",
    ],
    "held": ["Say who I am talking to.", "Which skills do you have?", "and you would be?"],
}
CHAT: Final[Wordings] = {
    "train": [
        "[I am tired|I'm hungry|It is late|It is raining here|I like coding|Today is a good day|I am bored][.|!|]",
        "[Tell me a joke|Sing me a song|Do you like music|Do you sleep|Do you like cats][.|?|]",
        "[Good night|Bye|Goodbye|See you|See you tomorrow|Have a nice day][!|.|]",
        "[What a day|Never mind|Forget it|Wait a moment|One moment|Let me think|Hm|Okay, later][.|!|]",
    ],
    "held": [
        "My coffee is cold.",
        "Do you dream?",
        "I'm off home now.",
        "Hold on, phone is ringing.",
        "Ugh, Mondays.",
    ],
}
CANNOT: Final[Wordings] = {
    "train": [
        "[Send|Write] an e-mail to {who}[.|]",
        "[Call|Phone] {who}[.|]",
        "Book [a flight|a table|a train|a room] for {who}[.|]",
        "What is the weather [today|in {who}|tomorrow]?",
        "[Order|Buy] me [a pizza|a coffee|a new laptop][.|]",
        "What [time|day] is it[ now|]?",
        "Play [some music|a song|a film][.|]",
    ],
    "held": ["Post this on {who}'s wall.", "Reserve two seats at the opera.", "Turn on the kitchen lights."],
}


def wording(draw: random.Random, wordings: Wordings, split: Split, **slots: str) -> tuple[str, str]:
    """Draw a wording and fill it in; give it with the template that it is from."""
    template = draw.choice(wordings[split])
    text = template
    while (choice := _CHOICE.search(text)) is not None:
        text = text[: choice.start()] + draw.choice(choice.group(1).split("|")) + text[choice.end() :]
    # All at once, so that what is filled in is never taken for a slot.
    filled = re.sub(r"\{(\w+)\}", lambda slot: slots[slot.group(1)], text)
    if split == "train" and template[0] != "{" and draw.random() < 0.12:
        filled = filled[0].lower() + filled[1:]
    return filled, template
