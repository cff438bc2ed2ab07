"""Names for candidates that were given none."""

import secrets

ADJECTIVES = """able agile amber ample avid basic bold brave brief bright brisk calm candid casual cheerful chief civil clean
clear clever cosmic crisp curious daring deep deft eager early earnest easy fair famous fancy fast fine firm fit fleet fluent
fond frank free fresh friendly gentle glad golden good grand handy happy hardy hearty honest humble ideal jolly just keen kind
large lean light lively loyal lucid lucky mellow merry mild modest neat nimble noble open patient placid plain polite prime
proud prudent quick quiet rapid rare ready regal robust rosy round sage serene sharp shiny silent simple sincere sleek smart
smooth snug sober solid sound spare spry stable steady stoic subtle sunny sure swift tidy trusty upbeat valiant vivid warm
whole wise witty worthy young zesty""".split()
ANIMALS = """ant ape auk badger bat bear beaver bee bison boar bobcat bongo camel cat civet cod colt coot coyote crab crane
crow cub deer dingo dog dolphin dove drake duck eagle eel egret eland elk emu ermine falcon fawn ferret finch fish fox frog
gannet gecko gibbon gnat goat goose grouse gull hare hawk heron hog horse hound ibex ibis impala jackal jay kite kiwi koala
lark lemur lion llama loon lynx macaw mackerel magpie mare marten mink mole moose moth mouse mule newt ocelot okapi orca
oriole osprey otter owl ox oyster panda panther parrot perch pigeon pike plover pony puffin puma quail rabbit ram raven ray
robin rook salmon seal shark sheep shrew shrike skate skua skunk sloth snail snipe sole sparrow squid stag starling stoat
stork swan swift tapir teal tern thrush tiger toad trout tuna turtle vole walrus wasp weasel whale wolf wombat wren yak
zebra""".split()


def candidate_name() -> str:
    """Three words such as `brave-otter-417`: easy to say, unlikely to meet again in one experiment."""
    return f"{secrets.choice(ADJECTIVES)}-{secrets.choice(ANIMALS)}-{secrets.randbelow(1000)}"
