"""English function words: the stop list of `stop_words` when the user brings none.

The closed classes of English (Quirk et al., A Comprehensive Grammar of the English Language, 1985,
section 2.34): determiners and pronouns, prepositions, conjunctions, auxiliaries, and the adverbs
that work like them. Contractions are one word, as `words` takes them.
"""

_LISTED = """
a an the this that these those my your his her its our their whose which what some any no every each
either neither both all half such enough much many more most few fewer little less least several
other another same own one ones
i me mine myself you yours yourself yourselves he him himself she hers herself it itself we us ours
ourselves they them theirs themselves who whom someone somebody something anyone anybody anything
everyone everybody everything nobody nothing none
about above across after against along among amongst around as at before behind below beneath beside
besides between beyond but by despite down during except for from in inside into like near of off on
onto opposite out outside over past per since than through throughout till to toward towards under
underneath until unto up upon via with within without
and or nor so yet if unless because although though while whereas whether when whenever where
wherever why how once
am is are was were be been being have has had having do does did doing done can could may might must
shall should will would ought
not never there here then now very too also just only even still again already always often ever
quite rather else thus hence however therefore
i'm you're he's she's it's we're they're i've you've we've they've i'll you'll he'll she'll we'll
they'll i'd you'd he'd she'd we'd they'd isn't aren't wasn't weren't don't doesn't didn't haven't
hasn't hadn't can't cannot couldn't mustn't shouldn't won't wouldn't that's there's what's who's
let's
"""
STOP_WORDS = frozenset(_LISTED.split())
