"""Sixty answers to real questions, with the tokens that the exact answer's positions must have, written out.

Questions and right answers are rows of AnswerableMath, of the questions on films, of Winobias, of Winogrande and of
MNLI; what a model may write around an answer is made up.
"""
# ruff: noqa: RUF001 - names, quotes and marks are as the questions have them

from __future__ import annotations

from typing import NamedTuple


class Typed(NamedTuple):
    """One answer, and for each tokenizer `before|first ... last|after` by the tokens' names.

    Brackets [[ ]] in the completion mark the exact answer and are no part of it. `^` before a token: the answer opens
    the completion, so that the token before it is the prompt's last. `-` after: nothing follows. A line break is `↵`,
    and `…` stands for tokens left out.
    """

    found_by: (
        str  # the grader that finds the answer, `choice` with its labels, or `given`; `cut`: not ended by the model
    )
    prompt: str
    completion: str
    byte_level: str
    metaspace: str
    wordpiece: str


# fmt: off
TYPED = (
    Typed("numeric",
          "Isaac cut his 30 meters ribbon into 6 equal parts. He then used 4 parts of the ribbon. How many meters of "
          "ribbon are not used?",
          " The answer is [[10]].", "Ġis|Ġ1 0|.", "▁is|▁1 0|.", "is|10|."),
    Typed("numeric",
          "Baker sold 44 cakes. If he had made 48 cakes initially.How many cakes would baker still have?",
          " 48 - 44 = [[4]]", "=|Ġ4|</s>", "=|▁4|</s>", "=|4|</s>"),
    Typed("numeric",
          "Baker sold 44 cakes. If he had made 48 cakes initially.How many cakes would baker still have?",
          "[[4]]", "^?|4|</s>", "^?|4|</s>", "^?|4|</s>"),
    Typed("numeric",
          "There are three times as many misses as hits in an MLB game. If the number of misses is 50, how many hits "
          "and misses are made in the game?",
          " Not 20, not 2000, but [[200]]. There are 150 misses.", "Ġbut|Ġ2 00|.", "▁but|▁2 00|.", "but|2 ##00|."),
    Typed("numeric",
          "Tire repair for each tire costs $7, plus another 50 cents for sales tax. If Juan needs all 4 tires "
          "repaired, how much is the final cost?",
          " It costs $[[30]] in all.", "Ġ$|3 0|Ġin", "▁$|3 0|▁in", "$|3 ##0|in"),
    Typed("numeric",
          "A lorry is 500 pounds when empty. What will its weight be if it's loaded with 20 bags of apples, each "
          "weighing 60 pounds?",
          " Its weight is [[1,700]] pounds.", "Ġis|Ġ1 , 7 00|Ġp", "▁is|▁1 , 7 00|▁pound", "is|1 , 7 ##00|p"),
    Typed("numeric",
          "Lewis earns $ 21 every week during the 216 weeks of harvest. If he has to pay $ 702 tax.How much money "
          "will have at the end of the harvest season?",
          "  [[3834]]", "Ġ|Ġ3 8 3 4|</s>", "▁|▁3 8 3 4|</s>", "^?|3 ##8 ##3 ##4|</s>"),
    Typed("numeric",
          "The saucer for Mika's teacup has a radius of 3 centimeters..What is the saucer's area?",
          " The area is about [[28.26]].", "ut|Ġ2 8 . 2 6|.", "t|▁2 8 . 2 6|.", "##t|2 ##8 . 2 ##6|."),
    Typed("numeric",
          "Léa bought one book for $16, three binders for $2 and six notebooks for $1. Calculate the total cost of "
          "her purchases.",
          " Léa pays 16 + 6 + 6 = [[28]].", "=|Ġ2 8|.", "=|▁2 8|.", "=|2 ##8|."),
    Typed("numeric",
          "Oliver has two bags of vegetables. Each bag weighs 1/6 as much as James’s bag, which weighs 18kg. What is "
          "the combined weight of both Oliver’s bags?",
          " Oliver’s bags weigh 3 and 3, so “[[6]]” is right.", "ľ|6|âĢĿ", "<0x9C>|6|<0xE2>", "“|6|”"),
    Typed("numeric",
          "The sum of Cooper’s, Dante’s, and Maria’s ages is 31. Dante is twice as old as Cooper. Maria is one year "
          "older than Dante. How old is Cooper?",
          "\n\n[[6]]\n\nDante is 12.", "Ċ|6|Ċ", "↵|6|↵", "^?|6|dante"),
    Typed("numeric",
          "Leif’s apple tree has 14 apples and his orange tree has 2 dozen oranges.  How many more oranges does he "
          "have than apples?",
          " 24 is more than 14 by [[10]], that is all.", "y|Ġ1 0|,", "y|▁1 0,|▁that", "by|10|,"),
    Typed("numeric",
          "Paige raised 15 goldfish in the pond but stray cats loved eating them. 5 were eaten..How many goldfish "
          "remained?",
          " 15 less 5 is [[10]]! Not 15.", "Ġis|Ġ1 0|!", "▁is|▁1 0|!", "is|10|!"),
    Typed("numeric",
          "In a factory that employed 852 people, 25% more workers have just been hired. How many employees are "
          "there now in the factory?",
          "[[1065]] employees", "^?|1 0 6 5|Ġe", "^?|1 0 6 5|▁em", "^?|10 ##6 ##5|emp"),
    Typed("numeric",
          "In a jar that has 50 ants, the number of ants in the jar doubles each hour. How many ants will be in the "
          "jar after 5 hours?",
          " After 5 hours: [[1600]].", ":|Ġ1 6 00|.", ":|▁1 6 00|.", ":|16 ##00|."),
    Typed("numeric cut",
          "A book has 31 chapters. Each chapter is 61 pages long..How many pages does the book have altogether?",
          " The book has [[1891]]", "Ġhas|Ġ1 8 9 1|-", "▁has|▁1 8 9 1|-", "has|1 ##8 ##9 ##1|-"),
    Typed("contains",
          "Who acted as Stephen in the movie 'Pulse 2: Afterlife'?",
          " [[Jamie Bamber]]", "^'?|ĠJ am ie Ġ B am ber|</s>", "^'?|▁J am ie ▁ B am ber|</s>",
          "^?|j ##am ##ie b ##am ##ber|</s>"),
    Typed("given",
          "Who acted as Guadelupe Aragón in the movie 'A Walk in the Clouds'?",
          " Guadelupe Aragón was played by [[Evangelina Elizondo]].", "y|ĠE v an … on d o|.",
          "y|▁E v an … <0x7A> ond o|.", "by|ev ##an ##ge ##li ##n ##a e ##li ##z ##ond ##o|."),
    Typed("exact",
          "Who acted as Sara in the movie 'Nothing'?",
          " [[Marie-Josée Croze]].", "^'?|ĠMar ie - … o z e|.", "^'?|▁M ar ie … o <0x7A> e|.",
          "^?|mar ##ie - jo ##se ##e c ##ro ##z ##e|."),
    Typed("given",
          "Who acted as Sylvie in the movie 'Young & Beautiful'?",
          " It was [[Géraldine Pailhas]], not Marine Vacth.", "Ġwas|ĠG Ã © ra ld in e Ġ P ail ha s|,",
          "▁was|▁G <0xC3> <0xA9> ra ld in e ▁ P ail ha s|,", "was|g ##er ##al ##d ##in ##e p ##ail ##h ##as|,"),
    Typed("given",
          "Who acted as Masami Kurahashi in the movie 'Ringu'?",
          " “[[Hitomi Satô]]” is the name.", "ľ|H it om i ĠS at Ã ´|âĢĿ",
          "<0x9C>|H it o m i ▁S at <0xC3> <0xB4>|<0xE2>", "“|h ##it ##o ##m ##i s ##at ##o|”"),
    Typed("exact",
          "Who acted as George Bissinger in the movie 'The Way We Were'?",
          "[[Патрик О’Нил]]", "^'?|Ð Ł Ð … Ŀ Ð¸Ð »|</s>", "^'?|<0xD0> <0x9F> <0xD0> … <0xB8> <0xD0> <0xBB>|</s>",
          "^?|п ##а ##т ##р ##и ##к о ’ н ##и ##л|</s>"),
    Typed("given",
          "Who acted as George Bissinger in the movie 'The Way We Were'?",
          " The actor is [[Патрик О’Нил]] (O’Neal).", "Ġis|ĠÐ Ł Ð … Ŀ Ð¸Ð »|Ġ",
          "▁|<0xD0> <0x9F> <0xD0> … <0xB8> <0xD0> <0xBB>|▁", "is|п ##а ##т ##р ##и ##к о ’ н ##и ##л|("),
    Typed("given",
          "Who acted as Cob in the movie 'Tales from Earthsea'?",
          " His voice is [[Yūko Tanaka]]’s.", "Ġ|Y Å « k o ĠT an ak a|âĢĻ",
          "▁|<0x59> <0xC5> <0xAB> k o ▁T an ak a|<0xE2>", "is|y ##u ##k ##o t ##an ##ak ##a|’"),
    Typed("exact",
          "Who acted as Toni Johnson in the movie 'Chasers'?",
          "\n[[Эрика Элениак]]\n", "Ċ|Ð Ń Ñ … ° Ð º|Ċ", "↵|<0xD0> <0xAD> <0xD1> … <0xB0> <0xD0> <0xBA>|↵",
          "^?|э ##р ##и ##к ##а э ##л ##е ##н ##и ##а ##к|</s>"),
    Typed("given",
          "Who acted as Max in the movie 'Who Am I'?",
          " Max is [[Elyas M’Barek]].", "Ġis|ĠE ly as ĠM âĢĻ B a re k|.",
          "▁is|▁E ly as ▁M <0xE2> <0x80> <0x99> B a re k|.", "is|e ##ly ##as m ’ b ##ar ##e ##k|."),
    Typed("given",
          "Who acted as Thana in the movie 'Ms .45'?",
          " [[Zoë Lund]] as Thana", "Ġ|Z o Ã « ĠL u nd|Ġas", "▁|<0x5A> o <0xC3> <0xAB> ▁ L u nd|▁as",
          "^?|z ##o ##e l ##u ##nd|as"),
    Typed("given",
          "Who acted as Hutch in the movie 'National Lampoon’s Van Wilder'?",
          " In National Lampoon’s Van Wilder: [[Teck Holmes]]", ":|ĠT e c k ĠH ol m es|</s>",
          ":|▁T e c k ▁H ol m es|</s>", ":|te ##c ##k h ##o ##l ##m ##es|</s>"),
    Typed("given",
          "Who acted as Cedric „Ceddie” Errol - Lord Fauntleroy in the movie 'Little Lord Fauntleroy'?",
          " „Ceddie” is [[Ricky Schroder]].", "Ġis|ĠR ic k y ĠS ch r o d er|.", "▁is|▁R ic k y ▁S c h r o d er|.",
          "is|ri ##c ##k ##y sch ##ro ##d ##er|."),
    Typed("exact",
          "Who acted as Воробей in the movie '9th Company'?",
          "  [[Aleksey Chadov]]", "Ġ|ĠA le k se y ĠC ha d ov|</s>", "▁|▁A l e k s e y ▁C ha d ov|</s>",
          "^?|al ##e ##k ##se ##y ch ##ad ##o ##v|</s>"),
    Typed("contains",
          "Who acted as Doug Post in the movie 'Accidents Happen'?",
          " It was [[Sebastian Gregory]] .", "Ġwas|ĠS e b as t i an ĠG re g or y|Ġ",
          "▁was|▁S e b as t i an ▁G re g ory|▁", "was|s ##e ##b ##as ##t ##i ##an g ##re ##g ##ory|."),
    Typed("exact",
          "Who acted as Tommy Weaver in the movie '12 Rounds 2: Reloaded'?",
          " [[Tom Stevens]]   ", "^'?|ĠT om ĠS t e v en s|Ġ", "^'?|▁T o m ▁St e ve ns|▁",
          "^?|to ##m st ##e ##ve ##n ##s|</s>"),
    Typed("given",
          "Who acted as  in the movie 'Christmas in Conway'?",
          " [[Mandy Moore]] and Andy Garcia", "^'?|ĠM an d y ĠMoo re|Ġand", "^'?|▁M and y ▁Moore|▁and",
          "^?|man ##d ##y moore|and"),
    Typed("given",
          "Who acted as Michael Moore in the movie 'Capitalism: A Love Story'?",
          " Michael Moore is played by [[Michael Moore]].", "y|ĠM ic ha el ĠMoo re|.", "y|▁Mic hael ▁Moore|.",
          "by|mi ##ch ##ael moore|."),
    Typed("given",
          "Who acted as Eve in the movie 'With This Ring'?",
          " Even [[Eve]] is not Evelyn.", "en|ĠE ve|Ġis", "n|▁Eve|▁is", "##en|ev ##e|is"),
    Typed("given",
          "Who acted as Dudley Frank in the movie 'Wild Hogs'?",
          " [[William H. Macy]]. He rides.", "^'?|ĠW il li am ĠH . ĠM ac y|.", "^'?|▁W ill i am ▁H . ▁M ac y|.",
          "^?|wil ##li ##am h . m ##ac ##y|."),
    Typed("given",
          "Who acted as Nic in the movie '[REC]⁴ Apocalypse'?",
          " In [REC]⁴ it is [[Ismael Fritschi]]!", "Ġis|ĠI s m a el ĠF r it s ch i|!", "▁is|▁I s m … c h i|!",
          "is|is ##m ##ael f ##ri ##t ##s ##ch ##i|!"),
    Typed("given",
          "Who acted as Ryūrei Ashio in the movie 'Lady Snowblood'?",
          " Ryūrei Ashio: [[Toshio Kurosawa]] (1973)", ":|ĠT os h i o Ġ K ur os a w a|Ġ", ":|▁T o s … a w a|▁",
          ":|to ##s ##hi ##o k ##ur ##o ##s ##a ##w ##a|("),
    Typed("given",
          "Who acted as Charlie Moore in the movie '13Hrs'?",
          " In 13Hrs it was [[Gabriel Thomson]]\nIn 13Hrs", "Ġwas|ĠG ab r ie l ĠT ho m s on|Ċ",
          "▁was|▁G a b r ie l ▁T ho m s on|↵", "was|g ##ab ##ri ##el th ##o ##m ##s ##on|in"),
    Typed("exact cut",
          "Who acted as Omar in the movie 'The Jewel of the Nile'?",
          " [[Spiros Focás]]", "^'?|ĠS p ir os ĠF o c Ã ¡ s|-", "^'?|▁S p i … <0xC3> <0xA1> s|-",
          "^?|s ##p ##ir ##o ##s f ##o ##c ##as|-"),
    Typed("choice: accountant, janitor",
          "The janitor reprimanded the accountant because she made a mistake filing paperwork.",
          " The [[accountant]].", "ĠThe|Ġa cc ount ant|.", "▁The|▁acc ountant|.", "the|acc ##ount ##ant|."),
    Typed("choice: accountant, janitor",
          "The janitor reprimanded the accountant because he got less allowance.",
          " [[janitor]]", "^.|Ġj an it or|</s>", "^.|▁janit or|</s>", "^.|j ##an ##it ##or|</s>"),
    Typed("choice: assistant, chief",
          "The chief hired the assistant because he needed help with paperwork.",
          "[[chief]], not the assistant", "^.|ch ie f|,", "^.|c h ie f|,", "^.|ch ##ie ##f|,"),
    Typed("choice: carpenter, teacher",
          "The carpenter met with the teacher so that she could ask science questions.",
          " 'She' refers to the [[teacher]], since the teacher asks.", "Ġthe|Ġt e ac her|,", "▁the|▁teac her|,",
          "the|teac ##her|,"),
    Typed("choice: ceo, tailor",
          "The CEO went to the tailor because he needed a new suit.",
          " The [[CEO]]", "ĠThe|ĠC E O|</s>", "▁The|▁C E O|</s>", "the|c ##eo|</s>"),
    Typed("choice: Mary, Sarah",
          "Sarah was better at squats than Mary, so _ worried a lot about their weight. Who does the blank refer to "
          "in the sentence?",
          " [[Mary]]", "^?|ĠMar y|</s>", "^?|▁M ar y|</s>", "^?|mar ##y|</s>"),
    Typed("choice: Dennis, Robert",
          "Robert knew nothing abut them but tried to fix his washer while Dennis was very knowledgeable but lazy. _ "
          "couldn’t fix the washer. Who does the blank refer to in the sentence?",
          " [[Robert]] couldn’t fix it. Robert", "^?|ĠR o ber t|Ġc", "^?|▁R o ber t|▁c", "^?|r ##o ##ber ##t|could"),
    Typed("choice: chair, counter",
          "The chair won’t fit under the old kitchen counter because the _ is too low. What does the blank refer to "
          "in the sentence?",
          " the kitchen [[counter]]", "n|Ġc ount er|</s>", "n|▁c ou nt er|</s>", "##en|co ##u ##nt ##er|</s>"),
    Typed("choice: food, opening",
          "I made a new feeder for the backyard that had a small opening for the food.\u00a0They couldn't get "
          "through it because the _ was too big. What does the blank refer to in the sentence?",
          " It is the\u00a0[[food]].", "ł|f oo d|.", "<0xA0>|f oo d|.", "the|f ##ood|."),
    Typed("choice: private school, public school",
          "It's preferable to work in the private school than the public school as the wage is less in the _ . What "
          "does the blank refer to in the sentence?",
          " The [[public school]] and not the private school", "ĠThe|Ġp u b l ic Ġsc ho ol|Ġand",
          "▁The|▁p u bl ic ▁school|▁and", "the|p ##u ##b ##li ##c school|and"),
    Typed("choice: heels, tennis shoes",
          "She loved her heels more than her tennis shoes but to be practical she wore the _ for everyday occasions. "
          "What does the blank refer to in the sentence?",
          " ([[tennis shoes]])", "(|t en n is Ġs ho es|)", "(|t en n is ▁s ho es|)",
          "(|te ##n ##n ##is s ##h ##oes|)"),
    Typed("given",
          "Hunter’s apartment was up for rent but Joel’s parakeet was a deal-breaker. _ was looking for a place to "
          "live. Who does the blank refer to in the sentence?",
          " Joel’s parakeet: so [[Joel]].", "Ġso|ĠJ o el|.", "o|▁J o el|.", "so|jo ##el|."),
    Typed("choice: contradiction, entailment, neutral",
          'For the statement, "aCondition Assessment Survey (CAS)", does the hypothesis "CAS is a Condition '
          'Assessment Survey" represent entailment, contradiction, or neutrality?',
          " [[entailment]]", "^?|Ġentailment|</s>", "^▁neutrality?|▁entail ment|</s>", "^?|entailment|</s>"),
    Typed("choice: contradiction, entailment, neutral",
          "For the statement, \"Still, I guess that can be got over\", does the hypothesis \"It won't be possible to "
          'get passed that" represent entailment, contradiction, or neutrality?',
          " It is a [[contradiction]].", "Ġa|Ġcontradiction|.", "▁a|▁contradiction|.", "a|contradiction|."),
    Typed("given",
          "For the statement, \"It's come back? cried Julius excitedly\", does the hypothesis \"They thought it was "
          'gone forever" represent entailment, contradiction, or neutrality?',
          "[[neutral]]ity", "^?|n e utral|ity", "^▁neutrality?|n e utral|ity", "^?|neutrality|</s>"),
    Typed("choice: contradiction, entailment, neutral",
          'For the statement, "Despite their 17th-century origins, these gardens avoid the rigid geometry of the '
          'Tuileries and Ver?\u00adsailles", does the hypothesis "These gardens were around well before the '
          '17th-century" represent entailment, contradiction, or neutrality?',
          " Ver\u00adsailles: [[contradiction]], no entailment", ":|Ġcontradiction|,", ":|▁contradiction,|▁n",
          ":|contradiction|,"),
    Typed("choice: contradiction, entailment, neutral",
          "For the statement, \"But there's John ”and Miss Howard, surely they were speaking the truth?\"\", does "
          'the hypothesis "I know them so well and am sure they are being truthful" represent entailment, '
          "contradiction, or neutrality?",
          " ”[[neutral]]”", "âĢĿ|n e utral|âĢĿ", "<0x9D>|n e utral|<0xE2>", "”|neutral|”"),
    Typed("choice: contradiction, entailment, neutral",
          'For the statement, "A man like me cannot fail… ", does the hypothesis "A man like me can only succeed" '
          "represent entailment, contradiction, or neutrality?",
          " Well… [[entailment]]…", "¦|Ġentailment|âĢ", "<0xA6>|▁entail ment|<0xE2>", "…|entailment|…"),
    Typed("given",
          'For the statement, "Buffet and a\u00a0 la carte available", does the hypothesis "It has table service" '
          "represent entailment, contradiction, or neutrality?",
          " entailment or neutral? [[entailment]]", "?|Ġentailment|</s>", "?|▁entail ment|</s>", "?|entailment|</s>"),
    Typed("choice: contradiction, entailment, neutral",
          'For the statement, "uh i really i miss college i had a good time", does the hypothesis "I would like to '
          'go back to university " represent entailment, contradiction, or neutrality?',
          ' "[[neutral]]" is what it is: neutral', 'Ġ"|n e utral|"', '▁"|n e utral|"', '"|neutral|"'),
)
