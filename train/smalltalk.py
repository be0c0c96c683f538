"""What people say when there is nothing to do, or nothing that can be done here."""

from typing import Final

from train.wording import Wordings

THANKS: Final[Wordings] = {
    "train": [
        "[cheers|ta|nice one|sweet|neat|lovely|brilliant][, that did it|, that works|, much better|!|]",
        (
            "[Thank you|Thanks] [very much|so much|again], that was [a great help|very useful|quick|all I "
            "needed|it][.|!|]"
        ),
        "[That is|That's] [exactly|just|all] what I [needed|wanted][.|!|, thanks.]",
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
    "held": [
        "Thanks, that did the trick.",
        "perfect, just what I was after",
        "Ok great, that works.",
    ],
}

HELLO: Final[Wordings] = {
    "train": [
        (
            "[Hello|Hi|Hey] there! I [installed|started|found] you [only |just |][five minutes|an hour|a "
            "day] ago[ and wanted to say hi|]."
        ),
        "[yo|hey|hi|hello], you [there|up|awake|around][?|]",
        "[Hi|Hello], this is my first time [with you|here|with an agent][.|!|]",
        "[Testing|Test], [testing|one two][.|]",
        "[Good day|Good afternoon|Welcome back|Hiya|Salut|Hola|Servus|Ahoy|Morning|Evening][!|.|, vtcode.|]",
        "[How are things|How do you do|How are you today|What is new|Everything fine|All well|How is life]?",
        "[Nice|Good|Glad] to [see|meet] you[.|!|]",
        "[Hello|Hi|Hey] [again|there|friend|computer|agent|vtcode|you|everyone][!|.|]",
        "[Hi|Hello|Hey|hi|hello|Good morning|Good evening|Hey there|Hi there|yo|Moin][!|.|]",
        "[Hi|Hello|Hey], [how are you|how is it going|are you there|anyone here]?",
        "[Are you there|You there|Can you hear me]?",
    ],
    "held": [
        "Good morning, are you awake?",
        "hey hey",
        "Hello, nice to have you here.",
        "So, how are you doing?",
    ],
}

WHO: Final[Wordings] = {
    "train": [
        "What [kinds|sorts] of [jobs|tasks|things|questions] [may|can|could] I [give|ask] you?",
        "What [should|may|could] I [use you for|ask you to do]?",
        "[Tell me|Explain] [how you work|what I can do with you|how I can use you][.|]",
        "[Are you|Is this] [able to do anything|any good|useful|a chatbot]?",
        "What are you [able to|allowed to|supposed to] do[ here|]?",
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
    "held": [
        "Who made you and what do you do?",
        "What sort of help do you offer?",
        "Introduce yourself, please.",
    ],
}

CHAT: Final[Wordings] = {
    "train": [
        "[lol|haha|oops|ugh|meh|argh][, sorry|, wrong window|, never mind|, forget that|, my mistake|]",
        "[Sorry|Oh sorry|Ah], [wrong window|that was not for you|I meant somebody else|never mind][.|]",
        (
            "I [have always|often] [found|thought] [programming|computers|maths|this] "
            "[hard|frightening|difficult|fun|strange]. Is that [normal|common|bad]?"
        ),
        (
            "[Somebody|My teacher|A friend] told me that [beginners|programmers|people] should [be "
            "patient|sleep more|take breaks|read more]. [Do you agree|Is that so|What do you think]?"
        ),
        "[Right|Ok|So], I'm off [to lunch|home|to bed|for today][.|. Talk later!|, see you.]",
        (
            "I am going [to have lunch|home|for a walk|to bed] now. [Have a lovely|Have a nice|Enjoy your] "
            "[afternoon|evening|day]!"
        ),
        "[I think|I believe|I guess] I [should|will] [go to bed|eat something|take a break|call it a day][.|]",
        "Do you [ever |]get [bored|tired|lonely|angry][ of me|]?",
        "[My|Our] [keyboard|monitor|coffee machine|printer|bus] [is broken|is new|is great|died][ again|][.|!|]",
        "That was [a joke|not serious|a test|nothing][.|]",
        "Do not do anything [yet|now|please][.|]",
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
        "I really need a holiday.",
        "The weather is awful.",
        "Do you like your job?",
        "Brb, lunch.",
        "It's getting late.",
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
        "[Set|Lay|Clear] the [table|thermostat|clock|oven][ for {who}| to eight|][.|]",
        "[Start|Stop] [a timer|the stopwatch|the washing machine][ for {who}|][.|]",
        "[Say|Explain] to {who} that [we are|I am] [busy|ill|away|there soon][.|]",
        "[Get|Fetch|Bring] [me|{who}] [some bread|a newspaper|a glass of water|milk][.|]",
        "[Feed|Walk|Wash] [the dog|the cat|the car][ with {who}|][.|]",
        "[Put|Make|Set] [a reminder|a date|an appointment|a meeting] [for|at] [noon|nine|eight][ with {who}|][.|]",
        "[Ring|Wake] {who} [at|before] [six|nine|dawn][.|]",
    ],
    "held": [
        "Set an alarm for seven.",
        "Buy flowers for {who}.",
        "Tell {who} that I am late.",
    ],
}

KNOW: Final[Wordings] = {
    "train": [
        "What [is|'s] a {concept}[ again|]?",
        "what's a {concept}[?|]",
        "What does {concept} mean[ in general|]?",
        "[Explain|Tell me about] [the idea of |]{concept} [to me|in one sentence|in short|in simple words][.|]",
        "[Explain|Describe] what a {concept} is[.|, please.]",
        "How does a {concept} work[ in general|]?",
        "What is the difference between a {concept} and a {other}?",
        "{concept} or {other}[, what do you think|, which is better|: your opinion]?",
        "[Honest opinion|Your opinion|Be honest|Hand on heart]: {concept} or {other}?",
        "[Should I|Must one|Does everybody] [learn|use|know] {concept}?",
        "Why do people [like|hate|use|need] {concept}?",
        "Who invented {concept}?",
        "Is {concept} [better|faster|older|harder] than {other}?",
        "[One|Just a] sentence is enough: what is a {concept}?",
        "[Can|Could] you teach me {concept}?",
        "I [never|do not] understand {concept}. What is it?",
        "What [is|'s] the [capital|biggest city|flag|currency|language|population] of {place}[?|, by the way?]",
        "[How|And how] [far away|big|old|cold|rich] is {place}[?| at this time of the year?]",
        "How many people [live in|visit|come from] {place}?",
        "[Who|Which king|What kind of people] [founded|ruled|settled] {place}[ first|]?",
        "[In which|On what] [continent|year|ocean] [is|lies|was] {place}[ found| discovered|]?",
        "[How many|Which] [legs|teeth|eyes|colours] [has|does] a {animal} [have|got]?",
        "[What|Where] does a {animal} [eat|sleep|live|do all day]?",
    ],
    "held": [
        "Have you an opinion on {concept} versus {other}?",
        "I forgot what {concept} stands for, remind me.",
    ],
}
CONCEPTS: Final = (
    "closure|monad|thread|process|deadlock|semaphore|compiler|linker|interpreter|pointer|reference|stack|heap|queue|"
    "hash table|binary tree|linked list|recursion|iterator|generator|decorator|coroutine|callback|promise|lambda|"
    "unit test|code review|merge|rebase|branch|pull request|container|virtual machine|kernel|shell|socket|proxy|"
    "load balancer|cache line|garbage collector|type system|interface|abstract class|design pattern|singleton|"
    "index|transaction|foreign key|join|microservice|monolith|agile|scrum|vim|emacs|linux|windows|rust|go|java|"
    "functional programming|inheritance|composition|big O|regular expression|race condition|memory leak"
).split("|")
"""What a person may ask about that no file has."""
PLACES: Final = (
    "France|Peru|Iceland|Kenya|Norway|Chile|Canada|India|Vienna|Oslo|Lisbon|Cairo|Boston|Naples|the Moon|Mars|"
    "Australia|Brazil|the Alps|Scotland|Texas|Sicily|Prague|Nepal|Finland|Cuba|Madrid|Athens"
).split("|")
ANIMALS: Final = "spider|fox|whale|beetle|horse|crab|bat|snail|goat|swan|shark|camel|mole|otter|wasp|lion".split("|")
