"""What people ask when something is to be looked up."""

from typing import Final

from train.wording import Wordings

LOOKUP: Final[Wordings] = {
    "train": [
        "[which|what] {key} [does|did] {path} [have|say|give|use]",
        "{key} [in|from|as per|acc. to] {path}",
        "[grab|get|read|dig up|pull up|fish out] [me |]{key} [from|out of|in] {path}[.|]",
        "[how|what]'s {key} [in|per] {path}[?|]",
        "{path} - {key}?",
        "{path} [says|has|gives] what [for|as] {key}[?|]",
        "[need|want] {key} from {path}[.|]",
        "[Check|Open|Read] {path} for me, what [is|'s] {key}[?|]",
        "[According to|Going by|Judging by] {path}, [what|which|how much|how high|where] is {key}?",
        (
            "[Would|Could] you [kindly |please |]open {path} and [tell me|say|read out] [what|which value] "
            "{key} [has|holds|is][?|.]"
        ),
        (
            "I am trying to [find out|learn|understand] what {key} is. [It is|It should be|It must be] "
            "[written |]in {path}."
        ),
        "Please look [inside|into|at] {path} [for me |], since I need to know {key}.",
        (
            "[I'd|I would] be [grateful|glad|happy] to [learn|hear|know] [what|which] {key} [is given|is "
            "set|stands|is written] in {path}."
        ),
        "[Can|Could] you read {path} and say what {key} is?",
        "What [is|has been] [written|entered|noted|given] [for|as|under] {key} in {path}?",
        "How [high|low|long|big|many|old|fast] is {key}, [going by|according to|in] {path}?",
        "[Where|To whom|At what] does {key} [point|go|stand] in {path}?",
        "Is there [a|any] {key} in {path}, and [what|which] is it?",
        "[I|We] [have|got] a {path} here. [What|Which value] does it [give|have] for {key}?",
        "I [forgot|have forgotten|do not remember|don't know] {key}[;|,] [look in|see|check] {path}[.|]",
        "{path} [should have|must have|has] {key} somewhere[.|; what is it?]",
        "[Verify|Confirm|Determine|Find out] {key} [in|from|with] {path}[, please|][.|]",
        "[Take|Cast] a [quick |]look at {path}: what is {key} [these days|right now|currently|today]?",
        "[Would|Will] you [open|read|check] {path} and [give|tell] me {key}?",
        "[So|And|Well], [how|what] about {key} in {path}?",
        "{path}, {key}[:|] [what does it say|what stands there|which value]?",
        "What [does|did] {path} [say|state|record] [about|for|as] {key}?",
        "[Report|Read out|Read me|Say] {key} [as in|from|of] {path}[.|]",
        "[It is|It's] in {path}: what [was|is] {key} again?",
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
        "I am [curious|not sure] [what|which] {key} {path} [has|says|gives][.|]",
        "Let me know [what|which] {key} is in {path}[.|, please.]",
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
        "line {number} of {path}[, what's on it|, what does it say|]",
        "{path}, line {number}[.|?|: what is it]",
        "[show|print|read] {path} line {number}[.|]",
        "[Could I|May I|Can I] [see|read|have] line {number} of {path}[, please|]?",
        (
            "[Somebody|A colleague|The log] [mentioned|spoke of|complains about] line {number} of {path}. "
            "[What|How] does it [say|read]?"
        ),
        "[I'd|I would] like to know what is [on|in] line {number} of {path}.",
        "[What's|What is|Tell me what's] [there |]in the {number}th line of {path}?",
        "I [want|would like] [to read |]line {number} of {path}[.|, please.]",
        "{path}: [the {number}th line|line {number}][, please|][?|.|]",
        "[Could|Would] you [print|show|quote] line {number} of {path}?",
        "Which [words|text] [are|is] on line {number} of {path}?",
        "[Go|Jump] to line {number} of {path}[ and read it|: what is there?]",
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
        "I would like [to know|to see] what [stands|is] [on|in] line {number} of {path}[.|]",
        "Let me [see|have] the {number}th line of {path}[.|, please.]",
    ],
    "held": [
        "What's written on line {number} of {path}?",
        "Show the {number}th line from {path} please.",
        "line {number} in {path}, what does it say?",
    ],
}

WHERE: Final[Wordings] = {
    "train": [
        "[in |]which [file|module] [has|contains|defines|is] {name}[ in|][?|]",
        "{name} [lives|sits|is] in [what|which] [file|module|place][?|]",
        "[track|hunt] down {name}[, I forgot where it is|, which file is it in|][.|]",
        "[find|locate|grep] {name}[.|]",
        "{name} [is defined where|comes from where|is from where|: which file]?",
        (
            "[I|We] keep seeing [something called|a function called|a class called|the name|] {name}. "
            "[Which file is it in|Where is it defined|Where does it come from]?"
        ),
        (
            "[Could|Can|Would] you [help me |]find the [file|module|place] that "
            "[defines|declares|has|contains] [the function |the class |]{name}?"
        ),
        (
            "[I'd|I would] like to [study|read|change] {name}, but I do not know where it is[ defined|]. "
            "[Please find it|Can you find it|Where is it]?"
        ),
        "[I|We] [have been|are] looking for [the class |the function |]{name}. [Where is it|Which file has it]?",
        "[Which|What] [part|file|module] of [the code|this project] [contains|defines|declares|holds] {name}?",
        "The error [mentions|names|is in] {name}. [Where is that|Which file is that in|Find it].",
        "[Where's|where's] {name}[ defined| kept|][?|]",
        "[Point me to|Take me to|Lead me to] {name}[.|]",
        "[Look|Check|See] where {name} is[ defined| declared| written|][.|]",
        "I [want to know|must know|wonder] [where|in which file] {name} [is|lives][.|]",
        "What [place|file|line] [is|has] {name} [defined |]in?",
        "[Could|Would] you [look|search] for the [definition|declaration] of {name}?",
        "The [definition|declaration|source] of {name}[, please|: where is it?]",
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
        "Let me know where {name} is[ defined| made|][.|]",
        "I would like to [see|know] where {name} is[ defined| written|][.|]",
        "[Please |]show me the [definition|declaration] of {name}[.|]",
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
        "{key}: [current value|what is it set to|which value now][?|]",
        "[what|which value]'s {key} [set to|at|on][?|]",
        (
            "[Do you know|Any idea|Do you happen to know] [how much|how high|what] {key} is[ right now| at "
            "present|]? [It is somewhere in the code|It must be somewhere|]."
        ),
        "How [high|low|long|many|big] is {key}[ set| at present|]? I am not sure which file it [is|lives] in.",
        "[Somewhere|In some file] there is {key}. What [value|number] does it have?",
        "[I|We] need [to know|] {key}, but not where it is[ kept| set|]. [What is it|How much is it]?",
        "current {key}[?|]",
        "[grep|search|look] for {key} and [tell me|say] [its value|what it is|what it is set to][.|]",
        "[How much|What] [do|did] we [give|choose for|take for|have for] {key}?",
        "[Check|Verify|Find out] [what|which value] {key} [is|has][.|]",
        "What's [the value of |]{key}[ in our code| these days|]?",
        "I [forgot|don't remember] [the value of|what we use for] {key}[.|]",
        "With [what|which] value [does|do] [the code|we] [set|define] {key}?",
        "[Which|What] {key} [do we have|is in use|is set here|are we on]?",
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
        "[what have|what've] we got [in|under|inside] {folder}[?|]",
        "[files|contents|listing] [in|under|of] {folder}[?|]",
        "[what|which files]'s [in|under|inside] {folder}[?|]",
        "[show|list|print] {folder} [folder|directory][.|]",
        (
            "Please show me everything [that sits|that is|there is] [inside|in|under] the [folder "
            "|directory |]{folder}[ directory| folder|]."
        ),
        "What files [are there|do we have|can I find] in the {folder} [folder|directory]?",
        "[I'd|I would] like an overview of [the folder |the directory |]{folder}.",
        "[Which|What] [modules|sources|things] [are|do we keep|live] [under|in] {folder}?",
        "[I am|I'm] [looking|working] at {folder}. [Which|What] files does it have?",
        "[Would|Will] you [list|show|name] [the files|what is] [in|under] {folder}?",
        "[See|Check] what [is|we have|there is] [in|under|inside] {folder}[.|]",
        "What [can I find|do we keep|is stored|is kept] [in|under] {folder}?",
        "[All|The] [files|contents] [of|in|below] {folder}[, please|?]",
        "[Name|Enumerate|Display] [all |][the |]files [in|of|below] {folder}[.|]",
        "Which files [do we have|are there|does one find] [in|under] {folder}?",
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
        "[Show|Tell|Give] me what [there is|we have|one finds|you find] [in|under|below] {folder}[.|]",
        "I would like [to see|to know] [what is in|the files of] {folder}[.|]",
        "Let me [see|have] [what is in|the files in|what there is in] {folder}[.|]",
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
        "[gimme|give me] [a list|an overview] of [all|the] files[ in this project| here|]",
        "[all|list|show] files[ pls|]",
        "[what|which files]'s [in here|in this repo|in this project][?|]",
        (
            "I have never [seen|looked at|opened] this [project|repository] before. [Which|What] files [are "
            "there|does it have]?"
        ),
        "[Could|Can|Would] you [list|show|name] all [of its|the project's|of the] files?",
        "[I'd|I would] like to see all files[ of this project|], please.",
        "[tree|show the tree|file list]",
        "[Would|Will] you [show|name] [all|the] files [of the project|we have]?",
        "[Display|Give me|Print] the [tree|layout|whole tree|file list][ of the project| of this repository|][.|]",
        "What's [here|in here|around|in the repository]?",
        "How is [this|the] [project|repository|workspace] [laid out|organised|built up]?",
        "[All|The] files [of the project|in the workspace|here][, please|?]",
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
        "[Tell me|Say|Find out] how many files [there are|lie|we keep] [in|under|below] {folder}[.|]",
        "[What|Which] number of files [has|holds] {folder}?",
        "[Number|Count] of files [in|below] {folder}[?|, please.]",
        "How [large|big] is {folder} in files?",
        "What is the number of files [in|under] {folder}?",
        "How many files does {folder} [have|hold|contain]?",
        "How many files are in {folder}?",
        "[Count|Please count] the files in {folder}[.|]",
        "How many files [can you see|do you find|are there|are kept|have we got] [in|under|inside|below] {folder}?",
        "[Could|Can|Would] you [say|tell me|find out|check] how many files {folder} [has|holds|contains]?",
        "[Could|Can|Would] you count [all|the files|everything] [in|under|inside] {folder}[, please|]?",
        "[I'd|I would] like [to know how many|a count of the] files [in|under|inside] {folder}[.|]",
        "{folder}: how many files[ are there| is that|]?",
        "[Count|count] what [is|there is|lies] [in|under|inside] {folder}[.|, please.|]",
    ],
    "held": [
        "How many files do we have in {folder}?",
        "Could you count what's in {folder}?",
    ],
}

RETURNS: Final[Wordings] = {
    "train": [
        "[what|which value] [does|would] {name} return[?|]",
        "{name} [gives back|returns|hands back] what[ exactly|][?|]",
        (
            "I am [curious|wondering|not sure] what [the function |]{name} returns. [Would you check|Can "
            "you look|Please look it up]?"
        ),
        "[I'd|I would] like to know what {name} [returns|gives back].",
        "Whenever {name} is called, what [comes back|does it return]?",
        "[return value|result] of {name}[?|]",
        "[What's|What is] [returned|given back|the outcome] [by|of] {name}[?|]",
        "[Which|What] [value|result] [does one|do we|will I|would I] get [from|out of] {name}?",
        "[Could|Would|Will] you [tell me|say|find out|look up] what {name} [returns|hands back|yields|evaluates to]?",
        "Calling {name} [gives|returns|yields] what?",
        "[And |]{name}[:|,] what [does it|will it|would it] [return|give|hand back|yield]?",
        "I [want|need] to know what {name} [returns|gives|hands back][.|]",
        "The [return value|result] of {name}[, please|: what is it?]",
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
        "[What|Which value] [would|does|could] {name}() [give|yield|produce|pass back|send back]?",
        "[What|Which result] do I [get|have] from {name}()[ in the end|]?",
        "Let me know what {name}() [returns|hands back|gives][.|]",
        "I would like to [see|know] [what|which value] {name} [returns|gives][.|]",
    ],
    "held": [
        "What will {name} return?",
        "Can you tell me what {name} gives back?",
        "What value comes back from {name}()?",
    ],
}

ORDINAL_LINE: Final[Wordings] = {
    "train": [
        "[What is|What's|Show me|Read me|Print] the {number} line of {path}[?|.|]",
        "the {number} line [of|in] {path}[, please|?|]",
        "What does the {number} line of {path} say?",
        "[Somebody|A colleague] mentioned the {number} line of {path}. What [does it say|is it]?",
        "{path}, {number} line[?|.|]",
        "I [want|need|would like] to [see|read] the {number} line of {path}[.|]",
        "How does the {number} line in {path} [go|read]?",
    ],
    "held": [
        "The {number} line of {path} reads how?",
    ],
}

RETURNS_THERE: Final[Wordings] = {
    "train": [
        "What does {name} in {path} [return|give back|yield][?|]",
        "{name} in {path} [returns|gives back] what[?|]",
        "[Which|What] value [does one get|comes back|is returned] from {name} in {path}?",
        "[Look at|See|Open|Read] {path} and [tell me|say] what {name} returns[.|]",
        "{path}: what does {name} return?",
        "The [return value|result] of {name} in {path}[, please|?]",
        "What [will|would] {name}() [from|of] {path} [return|give back] when it is called?",
        "I [wonder|want to know|need to know] what {name} in {path} [returns|gives back][.|]",
        "[Tell me|Say] what {name} ({path}) returns[.|]",
    ],
    "held": [
        "What is handed back by {name}, as written in {path}?",
        "From {path}: the outcome of {name}?",
    ],
}

SAID: Final[Wordings] = {
    "train": [
        "What does {path} say?",
        "[what's|what is] in {path}[?|]",
        "[Read|Open|Show|Show me] {path}[.|]",
        "[Sum up|Summarise|Describe] {path}[.|, please.]",
        "What is {path} about?",
        "[Tell me|Say] what {path} [says|is about|has in it][.|]",
        "[Could|Can] you read {path} to me?",
        "What can I [learn|read] in {path}?",
        "[Read|See] {path} and tell me what it [is about|says][.|]",
    ],
    "held": [
        "What stands in {path}?",
        "Give me the gist of {path}",
    ],
}
