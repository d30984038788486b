"""Patterns of what people say in English, beside the labelled cases: how each function is asked for, and what only sounds like it.

The cases show how people really talk, the patterns cover evenly what the labelling guide says. `{place}` and the like are
filled from `SLOTS`, where `|` stands between values; a line `@function` with its closed values heads its patterns, and
`whole` says that the turn itself is the text. `@none` are mentions without a wish.
"""
# ruff: noqa: E501, RUF100 - a table is read across

from collections.abc import Mapping

SLOTS: Mapping[str, str] = {
    "place": "Boston|Leeds|Kyoto|Lisbon|Cape Town|Chicago|Edinburgh|Vancouver|Mumbai|the Lake District|San Diego|Prague|Galway|Melbourne|Oslo|New Orleans|Yosemite|Hanoi|Bristol|Santa Fe|Crete",
    "person": "Marie Curie|Taylor Swift|Nelson Mandela|David Bowie|Serena Williams|Charles Darwin|Greta Gerwig|Elon Musk|Frida Kahlo|Lionel Messi|Jane Austen|Hayao Miyazaki|Ada Lovelace|Barack Obama|Bach",
    "product": "wireless headphones|robot vacuum|running shoes|office chair|electric kettle|car insurance|air fryer|baby monitor|hiking boots|coffee grinder|4K monitor|house cleaner|phone case|gaming laptop|cordless drill|tent",
    "pair": "Kindle or Kobo|Dyson vs Shark|the iPhone and the Pixel|Sony or Bose|gas or induction hobs",
    "text": "where is the station|happy birthday|I'm running late|the bill, please|see you tomorrow|no peanuts please|nice to meet you|we are closed today|Guten Appetit|c'est la vie",
    "opinion": "it does the job I suppose|never ordering here again|best purchase this year|fine, do what you want|I expected more|lovely staff but slow",
    "tongue": "French|Spanish|German|Japanese|Italian|Korean|Polish|Arabic|Portuguese|Welsh|Mandarin",
    "when": "tomorrow at 8|Friday at 3pm|in 30 minutes|next Monday|9 tonight|the 15th|every morning at 6:30|half past four|Sunday evening",
    "what": "call mum|take my pills|put the bins out|pay the rent|send the report|pick up the dry cleaning|water the plants|book the vet|buy eggs|feed the cat",
    "item": "dentist|yoga class|one-to-one|team meeting|haircut|lunch with Sam|physio|book club",
}
"""Values by slot."""

PATTERNS = """
@travel_guide info_type=attractions
what should I see in {place}?
things to do in {place} with kids
we've got one day in {place}, what's worth seeing
are there any good walks around {place}
best museums in {place}?
@travel_guide info_type=food
where should I eat in {place}
what's the local dish in {place}?
heading to {place} next month, any good restaurants?
@travel_guide info_type=transportation
how do I get to {place} from the airport
is there a train to {place}?
can you get around {place} without a car
@travel_guide info_type=accommodation
where should we stay in {place}
looking for a cheap hotel in {place}
which part of {place} is best to stay in?
@travel_guide info_type=events
what's on in {place} this month?
any festivals in {place} in June?
@travel_guide info_type=tips
is {place} safe at night?
when is the best time to visit {place}
how many days do I need in {place}
anything I should know before going to {place}?
@travel_guide info_type=general
what's {place} like?
@travel_guide
plan a weekend in {place} for us
tell me about {place}, we're thinking of going
I need an itinerary for {place}
thinking of {place} for our honeymoon, help me plan
@celebrity_info info_type=biography
who is {person}?
how old is {person}
where was {person} born
is {person} married?
@celebrity_info info_type=career
how did {person} become famous?
what did {person} do before that
when did {person} start out
@celebrity_info info_type=achievements
what is {person} best known for
what awards has {person} won?
list {person}'s main works
@celebrity_info info_type=news
any news about {person}?
what's {person} up to these days
@celebrity_info
tell me about {person}
I'd like to know more about {person}
@shopping_intent
I could really do with a {product}
I've been thinking about a new {product}
my old one broke, I'm after a {product}
@shopping_intent intent_type=buy
I want to buy a {product}
order me a {product}
where can I get a {product}
add {product} to my basket
@shopping_intent intent_type=compare
{pair}, which is better?
what's the difference between {pair}
@shopping_intent intent_type=research
can you recommend a {product}
what's the best {product} for a small flat
which {product} gets good reviews?
is it worth paying more for a {product}
@shopping_intent intent_type=deal
how much does a {product} cost
any deals on {product}?
cheapest {product} you can find
where's the best price on a {product} right now
@sentiment_label
what's the sentiment of "{opinion}"
analyse the feeling in this: {opinion}
@sentiment_label granularity=basic
is "{opinion}" positive or negative?
classify this review as positive, negative or neutral: {opinion}
@sentiment_label granularity=detailed
she texted "{opinion}", is she angry or just tired?
what emotion is in "{opinion}"
@sentiment_label granularity=detailed whole
I am so angry I could scream
I can't stop crying, I miss him so much
I got the job!!! I'm over the moon!
I'm terrified, I can't breathe
I hate everything about today, I give up
this is the happiest day of my entire life!!
I feel so alone, nobody even notices
I'm so ashamed I want to disappear
@weather_info forecast_type=today
what's the weather in {place} today?
will it rain in {place} this afternoon
do I need an umbrella in {place} tonight?
@weather_info forecast_type=tomorrow
how hot will it get in {place} tomorrow
is it going to snow tomorrow in {place}?
we're off to {place} tomorrow, should I bring a coat
@weather_info forecast_type=week
what's the forecast for {place} this weekend
{place} next week, wet or dry?
@weather_info forecast_type=current
what's the temperature in {place} right now
is it raining in {place} at the moment?
@weather_info forecast_type=hourly
what time will the rain stop in {place}?
hour by hour forecast for {place}
@weather_info
weather in {place}
how windy is it going to be in {place}
is it cold in {place}?
@schedule_reminder action=create
remind me to {what} {when}
wake me up {when}
set an alarm for {when}
put {item} in my calendar for {when}
don't let me forget to {what} {when}
can you book {item} in for {when}
I need to {what} {when}, give me a nudge
@schedule_reminder action=query
what's on my calendar {when}?
when is my {item}?
do I have anything {when}
what reminders have I got
show me my reminders
list all my reminders
any reminders for {when}?
which alarms are set?
read me my reminders
am I free {when}?
@schedule_reminder action=update
move my {item} to {when}
push {item} back to {when}
can you change the {item} to {when}
@schedule_reminder action=cancel
cancel my {item}
delete the alarm for {when}
scrap {item}, I can't make it
@translation_assist
translate "{text}" into {tongue}
how do you say "{text}" in {tongue}?
what's {tongue} for "{text}"
I need this in {tongue}: {text}
how would I say {text} in {tongue}
can you put "{text}" into {tongue} for me
I have something to translate into {tongue}
@none
lovely weather today
it's a beautiful day
so cold this week, isn't it
I live in {place}
I'm from {place}
I'm from {place}
I've lived in {place} for ten years
we got back from {place} last night
{place} was lovely last year
my sister works in {place}
what's the population of {place}?
how did {place} get its name
a friend from {place} rang me
I loved the film about {person}
people say I look like {person}
my cat is called {person}
I watched something with {person} in it last night, great
{person} is my hero
I bought a {product} last week and it's brilliant
my {product} arrived today
how does a {product} work?
who invented the {product}
how do I clean a {product}
my wife loves her {product}
I've got enough {product} already
lovely day, isn't it
I like the sound of rain
why is the sky blue?
what causes thunder
it was so hot when we were kids
I left my umbrella on the bus
I've got a cold
I'm learning {tongue}
{tongue} is a hard language
what's the hardest thing about {tongue} grammar
my neighbour speaks {tongue}
the {item} went well
just got out of my {item}
I usually get up at 6
I slept through my alarm this morning
the meeting was moved and nobody told me
bit tired today
it was an ok film, a little sad
what are emotions, really?
she was pleased with the cake
thanks, that's perfect
cheers, got it
good morning
who are you?
what can you do
tell me a joke
let's play a game
what's your favourite food
how do I make lasagne
can I freeze cooked rice?
what's 17 times 24
square root of 144
how do I reverse a list in python
why does my loop never stop
my head hurts, what helps
how much sleep do adults need
explain relativity simply
when did the Roman empire fall
what's the tallest mountain in the world
who won the election
write me a poem about autumn
help me write a birthday message
give me a name for a puppy
turn the lights on
turn the heating off
switch the TV off, will you
play some jazz
that's interesting
haha fair enough
no thanks, leave it
who created Spider-Man
how tall is Darth Vader?
is Sherlock Holmes based on someone
"""
