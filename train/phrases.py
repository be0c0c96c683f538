"""What people ask, in many wordings: `[a|b]` is a choice, `{slot}` is filled in; no wording is in both splits."""

import random
import re
from typing import Final

from train.words import Split

Wordings = dict[Split, list[str]]

_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")

LOOKUP: Final[Wordings] = {
    "train": [
        "[Hello|Hi|Hey], [what is|which is] {key} in {path}?",
        "[Do you know|Any idea|Say,] what {key} in {path} is?",
        "{key} of {path}, [please|what is it]?",
        "I [wonder|would like to know|cannot see] what {key} is in {path}[.|]",
        "[Someone|My colleague] asks for {key} in {path}[.|]",
        "What [did we|have we] set {key} to in {path}?",
        "[Go|Look] into {path} and [say|find|report] {key}[.|]",
        "The {key} in {path}: [which is it|what does it say|is it set]?",
        "[Quickly|Please]: {key} from {path}?",
        "What [value|number|text] [has|carries|holds] {key} in {path}?",
        "[See|Consult|Inspect|Examine] {path} for {key}[.|]",
        "Remind me of {key} in {path}[.|]",
        "[As per|From|Going by] {path}, what is {key}?",
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
        "[Hunt|Look] for {name}[, please|] and [say|tell me] where it is[.|]",
        "I [am looking for|look for|lost|cannot find|need to find] {name}[.|]",
        "{name}: where [is that|is it|does it live]?",
        "[In what|In which] [module|source file] [is|was] {name} [written|declared|made|introduced]?",
        "Who [defines|declares] {name}?",
        "[Give|Name] me the [place|file and line|location] of {name}[.|]",
        "Where [do we|did they] [define|declare|keep|implement] {name}?",
        "[Do we have|Have we got|Is there] a {name}[ somewhere| anywhere|]?",
        "Which line [defines|declares|introduces] {name}?",
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
        "[Do we|Did we] set {key} [somewhere|anywhere], and to what?",
        "To [what|which value] [is|did we set|do we set] {key}[ in the code|]?",
        "[Anywhere|Somewhere] in the code there is {key}[.|:] What [is it|is its value]?",
        "{key}: [what is it|which value|how much]?",
        "I need [the value|the setting] of {key}[.|]",
        "Which [number|text|value] is behind {key}?",
        "[Hi|Hey], what [would|does] {key} [be|hold|contain|say]?",
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
        "[Have|Take] a look [into|at] [the folder|the directory|] {folder}[:| and tell me] what is there[?|.]",
        "[Browse|Scan|Walk] {folder}[.|]",
        "I want to see [what is in|the files in|all of] {folder}[.|]",
        "Which files [lie|live|are stored|are kept] [in|under|within] {folder}?",
        "[Go|Look] through {folder} and name [its|the] files[.|]",
        "[An|Give me an] [index|inventory|overview] of {folder}[, please|.|]",
        "What [kind of |]files does the {folder} [folder|directory] [have|hold]?",
        "{folder}: what is in there?",
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
        "[Look|Have a look] around and tell me what [files there are|is here][.|]",
        "What [do we have|is there|can you see] here?",
        "[An|Give me an] [overview|inventory|index] of [the project|this project|the repository|everything][.|]",
        "[Name|Enumerate] [all|the] files [of this project|here|in the repository][.|]",
        "Which files [make up|belong to] this [project|code base|repository]?",
        "What does this [repository|directory|code base] [contain|hold|consist of]?",
        "dir",
        "[Show|Tell] me what this project is made of[.|]",
        "[Which|What] files are [here|there|in this project|in the workspace]?",
        "[List|Show me|Show] [all files|the files|the project's files|every file][.|]",
        "[What is|What's] in this [project|folder|workspace|repository]?",
        "ls",
        "Which files does [this|the] project have?",
    ],
    "held": ["Give me the lay of the land: what files exist?", "What have we got in this repo?"],
}
COUNT: Final[Wordings] = {
    "train": [
        "How [large|big] is {folder} in files?",
        "What is the number of files [in|under] {folder}?",
        "How many files does {folder} [have|hold|contain]?",
        "How many files are in {folder}?",
        "[Count|Please count] the files in {folder}[.|]",
    ],
    "held": ["{folder} has how many files?", "Tell me the number of files below {folder}."],
}
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
        "Swap {old} for {new} in {path}.",
        "Inside {path}, {old} has to read {new}.",
        "rewrite {old} as {new}, file {path}",
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
        "{path} needs {key} at {new} from now on.",
        "Adjust {path} so that {key} is {new}.",
        "I want {new} as {key} in {path}.",
    ],
}
LINE: Final[Wordings] = {
    "train": [
        "[Quote|Cite|Copy] [me |]the {number}th line of {path}[.|]",
        "How does line {number} of {path} [go|read|look]?",
        "[Have a look at|Look at|See|Check] line {number} in {path}[.|]",
        "In {path}[,|:] what is [on |]line {number}?",
        "I need to see line {number} of {path}[.|]",
        "Line {number}[ of| in|,] {path}[?|, please.]",
        "What is [on|in] line {number} of {path}?",
        "[Show|Print|Read|Give me] line {number} of {path}[.|]",
        "[Tell me|Can you tell me] what line {number} of {path} [is|says|holds][.|?]",
        "{path} line {number}",
    ],
    "held": ["Quote line {number} from {path}.", "In {path}, line {number} reads how?"],
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
    "held": ["Give {name} in {path} the new name {new}.", "{path}: {name} is a bad name, use {new}."],
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
    "held": ["We forgot to import {module} in {path}; correct it.", "{path} wants {module} imported."],
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
        "There is a bug in {path}: {name} has {old} where {new} belongs.",
        "Use {new} rather than {old} within {name}, {path}.",
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
        "Drop {text} into a new {path}.",
        "There should be a {path} whose content is {text}.",
        "start {path} with {text} in it",
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
    "held": ["Fire up {command}, how does it end?", "Give {command} a go.", "Invoke {command} and summarise."],
}
RETURNS: Final[Wordings] = {
    "train": [
        "What [is|would be] the [result|return value|value] of {name}?",
        "[What|Which value] [do I get|comes back|does one get] from {name}?",
        "[Give|Tell] me the return value of {name}[.|]",
        "{name} returns what?",
        "[Look up|Find out|Check|Say] what {name} [gives|returns|yields][.|]",
        "When I call {name}, what [do I get|is returned|comes back]?",
        "What [is|gets] returned [by|from] {name}?",
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
        " [Once done|When that is done|Next|Finally|Last][,|] run {command}[.|]",
        " [See|Check] [that|whether|if] {command} [passes|works|is happy][ afterwards|][.|]",
        " And [run|try|start] {command}[ then| at the end| when done|][.|]",
        " {command} [should|has to] [pass|work|succeed] [afterwards|then|after that][.|]",
        " [Then run|Then start|Afterwards run|and then run|After that run] {command}[.|]",
        " Run {command} [afterwards|after that|when you are done|to check][.|]",
        " [Check|Test|Verify] it with {command}[.|]",
    ],
    "held": [" Once changed, {command} must still pass.", " Finish with {command}."],
}
THANKS: Final[Wordings] = {
    "train": [
        (
            "[That was all|That is all|All done|That will do|That helps|It works now|Wonderful|Excellent|Amazing|"
            "Awesome|Fantastic][!|.|, thank you.]"
        ),
        "[You are|You're] [great|the best|a star|very helpful|fast][!|.|]",
        "[I am|We are] [grateful|very happy|happy|content][.|!| with this.]",
        "[Nice|Fine|Good|Great|Superb] [work|job|stuff|answer][!|.|]",
        "[Appreciated|Much appreciated|Thanks for the help|Thank you so much|Bless you][!|.|]",
        "[Thanks|Thank you|thanks|thank you|thx|Thanks a lot|Many thanks|Cheers][!|.|]",
        "[Great|Perfect|Good|Nice|Very good|Well done|Cool|ok|OK][, thanks|, thank you|!|.|]",
    ],
    "held": ["Much obliged!", "Lovely, that is all I wanted.", "Brilliant work."],
}
HELLO: Final[Wordings] = {
    "train": [
        "[Good day|Good afternoon|Welcome back|Hiya|Salut|Hola|Servus|Ahoy|Morning|Evening][!|.|, vtcode.|]",
        "[How are things|How do you do|How are you today|What is new|Everything fine|All well|How is life]?",
        "[Nice|Good|Glad] to [see|meet] you[.|!|]",
        "[Hello|Hi|Hey] [again|there|friend|computer|agent|vtcode|you|everyone][!|.|]",
        "[Hi|Hello|Hey|hi|hello|Good morning|Good evening|Hey there|Hi there|yo|Moin][!|.|]",
        "[Hi|Hello|Hey], [how are you|how is it going|are you there|anyone here]?",
        "[Are you there|You there|Can you hear me]?",
    ],
    "held": ["Greetings, machine.", "howdy", "Good afternoon to you!", "What's up?"],
}
WHO: Final[Wordings] = {
    "train": [
        "[Which|What] [model|program|kind of thing|assistant|software] are you?",
        (
            "What [are you good at|are you for|do you do|is your job|is your purpose|can I ask you|"
            "should I know about you]?"
        ),
        "[Describe|Explain] [yourself|what you do|what you can do][.|]",
        "[Tell me|Say] [who you are|what you are|what you can do|your name][.|]",
        "With [whom|what] am I [speaking|chatting]?",
        "[List|Name] your [abilities|talents|features][.|]",
        "And who are you?",
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
        (
            "[My|Our|The] [dog|cat|boss|head|day|train|chair|tea|lunch|phone|neighbour] is [late|asleep|loud|"
            "broken|great|funny|too hot|gone|hungry|warm][.|!|]"
        ),
        "[It is|What] [a|such a] [nice|long|hard|sunny|strange|slow] [day|week|morning|evening][.|!|]",
        "Do you [eat|drink|think|feel|dance|laugh|like me|have friends|get tired|believe in luck|ever rest]?",
        "[I|We] [am|feel] [happy|sad|tired|lost|fine|sick|sleepy|excited][ today| now|][.|!|]",
        "I [need|want|had|drank|made|lost] [a break|a coffee|some sleep|my lunch|a nap|my keys|my train][.|]",
        "[Oh|Ah|Well|Hmm|Ha|Oops|Wow|Sigh][.|!|, well.|, I see.|, never mind.]",
        "[I'm|I am] [going home|leaving|back|off to lunch|in a meeting|on the phone|late] [now|soon|for today|][.|]",
        "[Wait|Stop|Pause|Just a second|Be right back|Give me a minute|Hang on|Not now][.|!|, please.|]",
        "[What|Which] is your favourite [colour|food|film|song|animal|book]?",
        "[Weekend|Friday|Holidays|Winter|Summer|Sunday] [at last|is near|is over|already][.|!|]",
        "[Is|Will] it [cold|sunny|rain|snow|be dark] [outside|soon|today]?",
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
        "[Post|Share|Tweet] [this|that|a picture] [for|to|with] {who}[.|]",
        "[Reserve|Rent|Hire] [a car|a hotel|two tickets|a bike|a seat] [for {who}|at the theatre|for tonight][.|]",
        "[Turn|Switch] [on|off] [the light|the heating|the radio|the television|the alarm][.|]",
        "[Open|Close|Lock] the [door|window|garage|curtains][.|]",
        "[Write|Send] {who} a [text message|letter|postcard][.|]",
        "[Remind|Wake] me [at six|tomorrow|in an hour][.|]",
        "[Draw|Paint|Photograph] [me |]{who}[.|]",
        "[Who won|What happened in] [the match|the election|the news] [yesterday|today|last night]?",
        "[Cook|Bake|Make] [me |][dinner|a cake|some soup|breakfast][.|]",
        "[Transfer|Pay|Lend] {who} [ten|twenty|fifty] [euros|pounds|dollars][.|]",
        "How is the [traffic|stock market|weather] in {who}?",
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
