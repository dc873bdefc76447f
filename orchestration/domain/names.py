"""Names that people can say: an adjective and an animal for each flow run."""

_ADJECTIVES = """
able agile amber ample apt azure balmy bold brave breezy bright brisk calm candid cheery civil clear clever coral
cosmic cosy crisp curious dapper daring deft dewy eager early earnest easy fair famous fancy fearless festive fine
fleet fond frank free fresh gallant gentle gifted glad golden good graceful grand grateful green handy happy hardy
hearty honest humble ideal indigo jade jaunty jolly jovial keen kind lavender lean light lilac lively loyal lucid
lucky lunar magenta mellow merry mighty mild mint modest neat nimble noble olive opal orange patient pearl placid
plucky polite prime proud pure quick quiet radiant rapid ready regal robust rosy ruby sage scarlet serene sharp shiny
silver sleek smart smooth snug solar solid spry stable steady sterling stout sturdy sunny super swift tan teal tender
thrifty tidy topaz tranquil trim true trusty upbeat urban valiant vast velvet violet vivid warm wary wise witty young
zany zesty
"""
_ANIMALS = """
albatross alpaca anteater antelope armadillo auk avocet badger barracuda bat bear beaver bee beetle bison boar bobcat
buffalo bullfinch bustard butterfly buzzard camel capybara caracal caribou cat chameleon cheetah chinchilla chipmunk
cicada civet clam cobra cod condor coot cormorant cougar cow coyote crab crane cricket crow cuckoo curlew deer dingo
dolphin donkey dormouse dove dragonfly duck dugong eagle earwig echidna eel egret eland elk emu ermine falcon ferret
finch firefly flamingo fox frog gannet gazelle gecko gerbil gibbon giraffe gnu goat goldfinch goose gopher goshawk
grebe grouse guppy gull hamster hare harrier hawk hedgehog heron herring hoopoe hornet horse hound hyena ibex ibis
iguana impala jackal jackdaw jaguar jay kestrel kingfisher kiwi koala kudu ladybug lapwing lark lemming lemur leopard
limpet lion lizard llama lobster lynx macaw magpie mallard manatee mandrill mantis marmot marten meerkat mink mole
mongoose moose moth mouse mule narwhal newt nightjar ocelot octopus okapi opossum orca oriole oryx osprey ostrich
otter owl ox oyster panda panther parrot partridge pelican penguin petrel pheasant pigeon pika platypus plover pony
porcupine porpoise puffin puma quail quokka rabbit raccoon raven reindeer rhino robin rook salmon sandpiper seahorse
seal serval shark sheep shrew skink skunk skylark sloth snail snipe sparrow squid squirrel starling stoat stork
swallow swan swift tapir tern thrush tiger toad toucan trout turtle viper vole wagtail wallaby walrus warbler weasel
whale wolf wombat woodcock wren yak zebra
"""
ADJECTIVES = tuple(_ADJECTIVES.split())
ANIMALS = tuple(_ANIMALS.split())


def run_name(random: int) -> str:
    """The name, such as ``light-boar``, that a random whole number picks (about 34,000 different ones)."""
    pick, adjective = divmod(random, len(ADJECTIVES))
    return f"{ADJECTIVES[adjective]}-{ANIMALS[pick % len(ANIMALS)]}"
