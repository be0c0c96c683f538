"""What people ask when something is to be looked up."""

from typing import Final

from train.wording import Wordings

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
        "Could you check {path} and tell me {key}?",
        "What's {key} set to in {path}?",
        "Hi! Which value does {key} have in {path}?",
        "Have a look in {path}: what is the current {key}?",
        "I can't recall {key}, it should be in {path}.",
        "{key} in {path}?",
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
    "held": [
        "What's written on line {number} of {path}?",
        "Show the {number}th line from {path} please.",
        "line {number} in {path}, what does it say?",
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
        "Where can I find {name}?",
        "Which file is {name} defined in?",
        "Where does {name} come from in this code?",
        "Please find the definition of {name}",
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
        "What value do we use for {key}?",
        "What's {key} set to at the moment?",
        "How is {key} configured here?",
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
        "Show me what is inside {folder}",
        "What's inside the {folder} folder?",
        "Could you list everything under {folder}?",
        "Which files live in {folder}?",
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
    "held": [
        "What files does this project contain?",
        "Could you list what is in the repository?",
        "Show me the project's structure",
    ],
}

COUNT: Final[Wordings] = {
    "train": [
        "How [large|big] is {folder} in files?",
        "What is the number of files [in|under] {folder}?",
        "How many files does {folder} [have|hold|contain]?",
        "How many files are in {folder}?",
        "[Count|Please count] the files in {folder}[.|]",
    ],
    "held": [
        "How many files do we have in {folder}?",
        "Could you count what's in {folder}?",
    ],
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
    "held": [
        "What will {name} return?",
        "Can you tell me what {name} gives back?",
        "What value comes back from {name}()?",
    ],
}
