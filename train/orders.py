"""What people ask when something is to be changed or run."""

from typing import Final

from train.wording import Wordings

REPLACE: Final[Wordings] = {
    "train": [
        "[Instead of|In place of] {old}[,|] {path} [should|must] [say|have] {new}[.|]",
        "[Please put|Put|Write] {new} [instead of|where there is|in place of] {old} in {path}[.|]",
        "{path} [says|has] {old}[, but|;] it [should be|must be|ought to be] {new}[.|]",
        "[Correct|Fix] {old} [in {path} to {new}|to {new} in {path}][.|]",
        "[Substitute|Exchange] {old} [with|by|for] {new} in {path}[.|]",
        "[The text|The line|The part] {old} in {path} [becomes|has to become|has to be] {new}[.|]",
        "[Alter|Modify|Update] {path}: {old} → {new}",
        "Within {path}[,|] make {old} [read |into |]{new}[.|]",
        "In the file {path}, {old} [is wrong|is out of date]; [make it|it is] {new}[.|]",
        "In {path} [change|replace] {old} [to|with|by] {new}[.|]",
        "[Change|Replace] {old} [to|with|by] {new} in {path}[.|]",
        "[Please edit|Edit|Open] {path}[ and|:] [change|replace] {old} [to|with|by] {new}[.|]",
        "{path}: [change|replace] {old} [to|with] {new}",
        "[Can you|Could you] [change|replace] {old} [to|with|by] {new} in {path}?",
        "{old} in {path} should [become|be] {new}[.|]",
        "Turn {old} into {new} in {path}[.|]",
    ],
    "held": [
        "{path} still contains {old}, update that to {new}",
        "Could {old} become {new} in {path}, please?",
        "Edit {path}; where it reads {old} I'd like {new}.",
        "In {path} there's {old}. That needs to be {new}.",
    ],
}

SET: Final[Wordings] = {
    "train": [
        "[From now on|As of today] {key} [is|shall be] {new} in {path}[.|]",
        "[Put|Write|Enter] {new} [for|as] {key} [in|into] {path}[.|]",
        "[We want|We need|I need|I would like|They want] {key} [to be|at|set to] {new} in {path}[.|]",
        "{path} [should|must|has to] have {key} [set to|at|as] {new}[.|]",
        "[Adapt|Modify|Alter] {path}[:|;] {key} [is|becomes] {new} [now|]",
        "[Bump|Switch|Move|Turn] {key} to {new} in {path}[.|]",
        "Use {new} [for|as the] {key} in {path}[.|]",
        "[Let|Have] {key} be {new} in {path}[.|]",
        "{new} [is what we want for|should be the value of] {key} in {path}[.|]",
        "See [to it |]that {key} in {path} is {new}[.|]",
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
        "{key} in {path} ought to be {new} now.",
        "Please update {path}: {key} to {new}.",
        "Can we have {key} at {new} in {path}?",
        "For {path}, change the {key} setting to {new}.",
        "Go to {path} and change {key} into {new}",
    ],
}

RENAME: Final[Wordings] = {
    "train": [
        "[Please give|Let] {name} in {path} [have |]the name {new}[.|]",
        "{path}: rename {name} to {new}[.|]",
        "[The function|The name] {name} in {path} [becomes|is to be|must be|has to be] {new}[.|]",
        "I do not like the name {name} in {path}; [make it|use|take] {new}[.|]",
        "{name} [is now called|gets the name|shall be named] {new}[;|,] [change|edit|do it in] {path}[.|]",
        "Use the name {new} [for|instead of] {name} in {path}[.|]",
        "Rename [the function |function |]{name} to {new} in {path}[.|]",
        "In {path}[,|] rename {name} to {new}[.|]",
        "[Call|Please call] {name} {new} [instead |]in {path}[.|]",
        "{name} in {path} should be called {new}[.|]",
        "[Change the name of|Rename] {name} in {path} to {new}[.|]",
    ],
    "held": [
        "Could you rename {name} as {new} in {path}?",
        "In {path}, {name} needs a better name: {new}.",
        "Change {name} to {new}, it is a function in {path}.",
    ],
}

IMPORT: Final[Wordings] = {
    "train": [
        "{path} [has no|does not have an] import of {module}[.|; add one.]",
        "[There is|We have] no import {module} in {path}[.|. Put it there.]",
        "[Someone|They] forgot import {module} in {path}[.|; fix it]",
        "[Have|Let] {path} import {module}[.|]",
        "In {path}[,|] [add|insert|write] import {module}[.|]",
        "{module} is not imported in {path}[.|; it should be.]",
        "[Add|Put] import {module} [to|into] {path}[.|]",
        "{path} [lacks|is missing|needs] import {module}[.|. Add it.|, add it]",
        "[Import|Please import] {module} in {path}[.|]",
        "Add the missing import of {module} to {path}[.|]",
        "{path} uses {module} without importing it. [Fix that|Fix it|Add the import].",
    ],
    "held": [
        "Please make {path} import {module}, it is missing.",
        "The import of {module} is missing from {path}.",
        "{path} fails because {module} isn't imported, fix it please",
    ],
}

FLIP: Final[Wordings] = {
    "train": [
        "[A|The] bug in {path}: {name} [has|uses] {old}[, it should be| instead of] {new}[.|]",
        "{path} is wrong: in {name}, {old} [must become|has to be|should be] {new}[.|]",
        "[Replace|Change] {old} [by|with|to] {new} in [the condition of |]{name}[,| in] {path}[.|]",
        "[Inside|Within] {name} of {path}[,|] {new} is right[,| and] {old} is wrong[.|]",
        "In {name} ({path}) [take|use|write] {new} [for|rather than] {old}[.|]",
        "{name} compares with {old}[;|,] it should with {new}[.|. It is in] {path}",
        "The condition in {name} in {path} is [wrong|off]: it [should|must] use {new} instead of {old}[.|]",
        "In {path}[,|] [make|let] {name} [use|compare with] {new} [instead of|and not] {old}[.|]",
        "[Fix|Correct] the comparison in {name} ({path}): {old} should be {new}[.|]",
        "{name} in {path} should [check|test] {new}, not {old}[.|]",
    ],
    "held": [
        "In {path} the check of {name} should use {new} where it now has {old}.",
        "Please change {old} into {new} in {name} of {path}.",
        "{name} in {path} is off by one: write {new} instead of {old}.",
    ],
}

WRITE: Final[Wordings] = {
    "train": [
        "[Make|Begin|Open] a new [file |]{path}[:| and write] {text}",
        "[There must be|We need|Let there be] a [new |]file {path} [with|that holds|saying] {text}[.|]",
        "{path} [should|shall|must] [be created|be made|exist] with {text}[.|]",
        "[Put down|Note|Record|Note down] {text} in {path}[.|]",
        "[Throw|Place|Copy|Type] {text} [into|in] [a file |]{path}[.|]",
        "A [new |]file[ named| called|] {path} [with|containing] [just |only |]{text}[, please.|.]",
        "[Generate|Produce|Set up] {path} with {text}[ in it|][.|]",
        "[Let|Have] {path} [say|contain|hold] {text}[.|]",
        "Write {text} to {path}[.|]",
        "[Create|Make] [a file |the file |]{path} [with|holding|that says] {text}[.|]",
        "[Create|Make|Please create] {path} with the [text|content|line] {text}[.|]",
        "[Save|Put|Store] {text} [in|into|as|to] {path}[.|]",
        "[Write|Add] a [new |]file {path} [with|containing] {text}[.|]",
        "I need a file {path} [that says|with the text|with] {text}[.|]",
        "[Can you|Could you] [write|save|put] {text} [to|into|in] {path}?",
    ],
    "held": [
        "Please make me a file called {path} containing {text}.",
        "Put a file {path} there, content: {text}",
        "I'd like {text} saved to {path}.",
        "New file {path} please, with {text} inside",
    ],
}

RUN: Final[Wordings] = {
    "train": [
        "[Call|Do|Perform|Use] {command}[ please| for me| now|]",
        "I want [you to run|to see the result of|the output of] {command}[.|]",
        "[Now|Then|So], [run|try] {command}[.|]",
        "[Tell|Show] me [how|whether] {command} [works|goes|ends|does][.|]",
        "{command} [- run it|, please|please]",
        "[Issue|Type|Enter|Kick off|Trigger|Spawn] {command}[ and tell me the result| and report|.|]",
        "How does {command} [end|go|do|fare]?",
        "Is {command} [fine|all right|ok|green]?",
        "In the [shell|terminal][,|:] {command}",
        "[Have|Get] {command} [run|done|executed][ and sum it up|.|]",
        "[Would you|Will you|Can you] [execute|try|start] {command} [for me|now|]?",
        "What is the [result|outcome|output|exit code] of {command}?",
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
    "held": [
        "Go ahead and run {command}.",
        "Run {command}, did it succeed?",
        "could you do a {command} and report back",
        "I'd like to know what {command} outputs.",
    ],
}

THEN_RUN: Final[Wordings] = {
    "train": [
        " [Once done|When that is done|Next|Finally|Last][,|] run {command}[.|]",
        " [See|Check] [that|whether|if] {command} [passes|works|is happy][ afterwards|][.|]",
        " And [run|try|start] {command}[ then| at the end| when done|][.|]",
        " {command} [should|has to] [pass|work|succeed] [afterwards|then|after that][.|]",
        " [Then run|Then start|Afterwards run|and then run|After that run] {command}[.|]",
        " Run {command} [afterwards|after that|when you are done|to check][.|]",
        " [Check|Test|Verify] it with {command}[.|]",
    ],
    "held": [
        " After that, please run {command}.",
        " Then check with {command}.",
    ],
}
