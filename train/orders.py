"""What people ask when something is to be changed or run."""

from typing import Final

from train.wording import Wordings

REPLACE: Final[Wordings] = {
    "train": [
        "{path}: {old} -> {new}",
        "[swap|exchange|trade] {old} for {new} in {path}[.|]",
        "[swap|change|turn] {old} [to|into] {new}, {path}",
        "{path} still [says|has] {old}, it's {new} now[.|. Update it.|, fix it]",
        "[Inside|In] {path} [change|turn] {old} [to|into] {new}[.|]",
        "In {path}, [please |]replace {old} [with|by] {new}[.|]",
        "{path} says {old} where it [ought to|should] say {new}. [Can|Could] you correct [it|that]?",
        "[Would|Could] you [change|edit] {path}, so that {old} becomes {new}?",
        "There is [a typo|a mistake|an error] in {path}: {old} should be {new}[.|]",
        "[I'd|I would] prefer {new} [to|over|instead of] {old} in {path}[.|]",
        "[There is|We have|I see] {old} in {path}[;|,] [that|this|it] [should|must|ought to] [be|read] {new}[.|]",
        "{path} [reads|has|contains|still says|still has] {old}[, make it|; change that to|; it should be] {new}[.|]",
        "[Would|Will] you [swap|exchange|replace] {old} [for|with] {new} in {path}?",
        "[Where|Wherever] {path} [says|has] {old}[,| it should say|; put|, write] {new}[.|]",
        "In {path} [I want|we need|I would like] {new} [instead of|in place of|and not] {old}[.|]",
        "{old} → {new} in {path}",
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
        "I would like {old} [changed|turned|made] [to|into] {new} in {path}[.|]",
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
        "{key} in {path} -> {new}",
        "{path}: {key} -> {new}",
        "[bump|cut|lower|raise|drop|push] {key} [down |up |]to {new}, {path}",
        "[Cut|Lower|Raise|Bring|Take] {key} [down |up |]to {new} in {path}[.|]",
        "[I want|We want|give me|make it] {new} for {key} in {path}[.|]",
        "{path}: {key} should be {new}, [fix that|change it|set it][.|]",
        "make {key} {new} in {path}[.|]",
        (
            "The {key} [is|was] [far too|much too|too] [often|high|low|long|short|small]. [Could you|Can "
            "you|Please] [set|change|raise|lower] {key} to {new} in {path}[?|.]"
        ),
        "[Inside|In] {path}, [I'd|I would] like {key} to be {new}[.|]",
        "[Would|Could] you mind [changing|setting] {key} in {path} to {new}?",
        "[Kindly|Please] give {key} [a|the] value [of |]{new} in {path}[.|]",
        "{key} in {path} should [now |]be {new}[ now|][.|]",
        "{path} has the wrong {key}. It [is|should be|must be] {new}[.|]",
        "[Change|Update|Adjust] {path}[:|,| so that] {key} [is|=|has to be|should be] {new}[.|]",
        "[Could|May|Would] [we|I|you] [get|put|have|bring] {key} [to|at|up to|down to] {new} in {path}?",
        "The {key} [setting|value|entry] [in|of] {path} [should|must|has to] [be|become|read] {new}[.|]",
        "[In|For|Inside] {path}[,|] [adjust|turn|alter|update] [the |]{key} [setting |value |]to {new}[.|]",
        "{path}: {key} [→|to|is to be|should be|=] {new}",
        "[Go|Look] [into|in] {path} and [put|set|turn|bring|make] {key} [to |at |]{new}[.|]",
        "[Now|Today|Next] {key} [goes|changes|moves] to {new} in {path}[.|]",
        "{key} [has to|must|shall|needs to] be {new} [now |]in {path}[.|]",
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
        "I would like {key} [to be|set to|changed to] {new} in {path}[.|]",
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
        "{name} in {path} is a [bad|lousy|poor|strange] name. [Call it|Make it|Use] {new}[.|]",
        "rename {name} to {new}, {path}",
        "{path}: {name} -> {new}, [it is|that's] a function",
        (
            "The name {name} is [hard to read|too short|confusing]. [Could|Can|Would] you rename [it|that "
            "function] to {new} in {path}?"
        ),
        "[I'd|I would] [prefer|like] [the function |]{name} in {path} to be called {new}[, please|][.|]",
        "[Could|Can] {name} in {path} be called {new} [instead|from now on]?",
        "[Would|Will] you [rename|call] [the function |]{name} [in {path} to|in {path} as] {new}?",
        "{name} in {path} [deserves|wants|gets|has] a [new|clearer|shorter] name: {new}[.|]",
        "[From now on|Now] {name} in {path} [is|shall be] {new}[.|]",
        "[Turn|Change] [the name |the function |]{name} [to|into] {new} in {path}[.|]",
        "A new name for {name} in {path}: {new}[.|]",
        "[There is|See] a function {name} in {path}[;|,] [rename|change] it to {new}[.|]",
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
        "{path} needs import {module}, [add it|put it at the top|put it with the others][.|]",
        "[add|put] `import {module}` [to|into|in] {path}[.|]",
        '[Could|Can|Would] you add "import {module}" to [the imports of |]{path}?',
        "I am about to use {module} in {path}. Please import [it|{module}] there.",
        "{path}: import {module}[.|]",
        "I [want|need] {module} in {path}, [so import it|so please add the import|import it].",
        "[Would|Will|Can] you [import|add an import of|add import] {module} [in|into|to] {path}?",
        "{path} [should|must|has to|ought to] import {module}[.|, and does not.|; it does not yet.]",
        "[See to it|Make sure] that {path} imports {module}[.|]",
        "NameError: {module} in {path}[.|;] [import it|add the import|it has to be imported][.|]",
        "[Insert|Include|Write] [the line |]import {module} [at the top of|at the head of|in] {path}[.|]",
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
        "{path} [does not work|breaks|stops] [since|as] {module} is not [imported|there][.|; import it.|]",
        "An import of {module} [has to be|must be|should be] [added|put] [to|into|at the top of] {path}[.|]",
        "I would like {path} to import {module}[.|]",
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
        (
            "{name} in {path} has the comparison [backwards|wrong|the wrong way round], [flip|change|turn] "
            "{old} [to|into] {new}[.|]"
        ),
        "{path}, {name}(): [that |the |]{old} [should be|must be|has to be] {new}[.|]",
        "I [think|believe] the comparison in {name} is wrong. Please change the {old} to {new} in {path}[.|]",
        (
            "[The function |]{name} in {path} uses {old} but it should use {new}[ instead|]. "
            "[Would|Could|Can] you [fix|correct|change] it?"
        ),
        "{old} -> {new} in {name}, {path}",
        "[Would|Will] you [use|put|write] {new} [instead of|in place of|for] {old} in {name} ({path})?",
        "[Turn|Make|Change] {old} [into|to] {new} [inside|within] {name}[,| in| of] {path}[.|]",
        "{name} in {path} [tests|checks|compares] [with|by] {old}[,|;] [but |]{new} [is|would be] right[.|]",
        "The [test|comparison] [in|of] {name} [in|of] {path} [wants|needs|should have] {new}, not {old}[.|]",
        "In {path}[,|] {name} [needs|wants|must have] {new} where [it says|there is|it has] {old}[.|]",
        "[There is|I found|We have] a bug in {name} in {path}: {old} [ought to|should|has to] be {new}[.|]",
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
        "new file {path}, [contents|content|text|it says]: {text}",
        "[start|make|create|add] a {path} that says: {text}",
        "[start|make|create|add] {path} with [one line|this line|this]: {text}",
        "{path} with {text}[ in it|]",
        (
            "Please [create|make|write] a file [named|called] {path} [that contains|with] [this|this one "
            "line|the line|the text]: {text}"
        ),
        "[Would|Could|Can] you make a [new |]file {path} [for me |]with the text {text} in it?",
        "I need a [small|tiny|new] file [at |called |]{path}. Its [only |]line should be {text}",
        "[Create|Add|Make] a file {path}. [It should say|It should contain|It says|Put this into it|Content]: {text}",
        "[echo|put|dump] {text} into {path}",
        "[Make|Create|Start] {path}[,|] [please, |]with {text} [in it|as its text|as content|therein][.|]",
        "[A|One] file {path}[ please|], [containing|holding|saying] {text}[, thank you.|.]",
        "[Would|Will] you [make|create|start] [a file |]{path} [with|that says|holding] {text}?",
        "[I want|We want|I would like] {text} [in|put into|written to|stored in] [a new file |]{path}[.|]",
        "[New|Another] file: {path}[, text|, with|; it says|. It holds]: {text}",
        "[Start|Add|Lay down] [a file |]{path}[:| whose content is| that contains| with the words] {text}[.|]",
        "{text} [goes|belongs|should go|has to go] into [a new file |the file |]{path}[.|]",
        "Make {path}[ a new file|], [its |the |]content [is|being|shall be] {text}[.|]",
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
        "I would like [to have |]{text} [in|written into|kept in] [a file |]{path}[.|]",
        "I would like [to have |]a [new |]file {path} [with|that says] {text}[.|]",
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
        "[do|run] a {command}",
        (
            "[run|try|execute|exec] {command}[, what comes out| and tell me what comes out| and show me|, "
            "did it work|, exit code?|]"
        ),
        (
            "[Would|Could|Can] you run {command} and [let me know|tell me|say] [which exit code it ends "
            "with|how it ends|what it prints|what you see][?|.]"
        ),
        (
            "Please [execute|run|try] {command} and [tell me|show me|share] [what it prints|the result|the "
            "output|what happened][.|]"
        ),
        "[Can|Could] you try the command {command}[ and share the result| and report|]?",
        "[Execute|Run] {command}, what's the [exit code|result|output][?|]",
        "[I want to be sure|I need to know|I would like to know] that it works. [Run|Try|Execute] {command}[.|]",
        "What do you get [from|for|with] {command}?",
        "[I must|We have to|I need to] [check|see|learn] [how|whether] {command} [goes|does|ends][.|]",
        "[See|Check|Find out|Look] [if|whether|how|what] {command} [works|passes|does|says|prints|fails][.|]",
        "[Would|Will] you [do|run|give] {command} [a try|and report|and tell me how it went|for me]?",
        "[Please |]give me [the output|the result|what comes] of {command}[.|]",
        "{command}[:| -] [does it|will it] [work|pass|succeed|run]?",
        "[What|And what] [comes|does one get|do I get] [from|out of|when running] {command}?",
        "[Do|Make] a [quick |]{command}[ and tell me| and report| then|][.|]",
        "[Start|Run|Execute] {command}[;|,] [did|does|will] it [work|pass|go through|fail]?",
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
        "I am [curious|not sure] [what|how|whether] {command} [prints|does|ends|works|passes][.|]",
        "Let me know [what|how|whether|if] {command} [prints|says|does|goes|works|passes][.|]",
        "I would like [to see|to have] {command} [run|done|tried][.|]",
        "I would like [to see|to hear] what {command} [gives|says|does][.|]",
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
        " [After|Following] that[,|] [try|execute|do|start] {command}[.|]",
        " [Then|Afterwards][,|] [see|find out|tell me] [what|how|whether] {command} [says|does|goes|passes][.|]",
        " [Finish|End] with {command}[.|]",
        " [Next|Last][,|] {command}[, please|][.|]",
        " [Use|Take] {command} to [check|test|verify] it[.|]",
        " [Once done|When that is done|Next|Finally|Last][,|] run {command}[.|]",
        " [See|Check] [that|whether|if] {command} [passes|works|is happy][ afterwards|][.|]",
        " And [run|try|start] {command}[ then| at the end| when done|][.|]",
        " {command} [should|has to] [pass|work|succeed] [afterwards|then|after that][.|]",
        " [Then run|Then start|Afterwards run|and then run|After that run] {command}[.|]",
        " Run {command} [afterwards|after that|when you are done|to check][.|]",
        " [Check|Test|Verify] it with {command}[.|]",
        " [Please|Then please|After it,] [verify|test|try|see to it] [with|by] {command}[.|]",
        " When it is [set|changed|there|done][,|] [please |]run {command}[.|]",
    ],
    "held": [
        " After that, please run {command}.",
        " Then check with {command}.",
    ],
}
