"""Patterns of what people say, beside the labelled cases: how each function is asked for, and what only sounds like it.

The cases show how people really talk, the patterns cover evenly what the labelling guide says. `{place}` and the like are
filled from lists; a line before the patterns names the function and its closed values. `none` are mentions without a wish.
"""

from collections.abc import Mapping

SLOTS: Mapping[str, Mapping[str, str]] = {
    # values are separated by |
    "ja": {
        "place": "札幌|仙台|長野|金沢|名古屋|京都|神戸|高松|福岡|那覇|軽井沢|熱海|石垣島|宮古島|函館|鎌倉|松江|飛騨高山|パリ|ロンドン|ソウル|バンコク|ハワイ|ニューヨーク|シンガポール|バルセロナ",
        "person": "夏目漱石|黒澤明|大谷翔平|宇多田ヒカル|坂本龍馬|葛飾北斎|新垣結衣|孫正義|アインシュタイン|ビル・ゲイツ|マドンナ|モーツァルト|羽生結弦|村上春樹|織田信長|ココ・シャネル",
        "product": "イヤホン|ノートパソコン|コードレス掃除機|炊飯器|電動歯ブラシ|ランニングシューズ|デスクチェア|自動車保険|電気ケトル|子供用の自転車|加湿器|英会話スクール|スマホケース|羽毛布団|コーヒー豆|一眼レフ|家庭用プリンター",
        "pair": "ルンバとブラーバ|iPhoneかPixel|ダイソンとシャーク|ニコンとキヤノン|液晶と有機EL",
        "text": "お会計お願いします|駅はどこですか|また会いましょう|お誕生日おめでとう|少し遅れます|これはいくらですか|辛くしないでください|Take it easy|I'm on my way|よく頑張ったね",
        "opinion": "思ったより軽くて気に入りました|二度と頼みません|まあまあかな|返事が遅くて困った|別に怒ってないけど|楽しみにしてたのに残念",
        "tongue": "英語|中国語|韓国語|フランス語|ドイツ語|スペイン語|イタリア語|ベトナム語|タイ語|ポルトガル語",
        "when": "明日の朝8時|金曜の午後3時|30分後|来週の月曜|夜9時|15日の10時|あさって|毎朝6時半|今日の18時",
        "what": "歯医者|薬を飲む|ゴミ出し|会議の資料を送る|母に電話する|洗濯物を取り込む|家賃の振り込み|美容院|打ち合わせ|卵を買う",
        "item": "歯医者|面談|飲み会|会議|美容院|打ち合わせ|ランチ|英会話",
    },
    "en": {
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
    },
}

JAPANESE = """
@travel_guide info_type=attractions
{place}で見るべきところは？
{place}の観光スポット教えて
{place}行くんだけど、どこ回ればいい？
今度{place}に行きます。子供が喜ぶ場所ありますか
{place}の穴場ってどこ
{place}に半日あるんやけど何見たらええ？
@travel_guide info_type=food
{place}の名物って何？
{place}でうまい店知らない？
来月{place}なんだけど、何食べたらいいかな
{place}の朝ごはん、どこがいいですか
@travel_guide info_type=transportation
{place}までどうやって行くのが早い？
東京から{place}への行き方を教えてください
{place}って車なしで回れる？
空港から{place}の中心部までバスある？
@travel_guide info_type=accommodation
{place}で安く泊まれる宿を探してる
{place}のホテルはどの辺が便利？
{place}に一泊するならどこがいい
@travel_guide info_type=events
{place}で来月お祭りある？
{place}の花火大会っていつ
@travel_guide info_type=tips
{place}に行くとき気をつけることは？
{place}は何日あれば足りる？
{place}って治安どうなの
@travel_guide info_type=general
{place}ってどんなところ？
@travel_guide
{place}旅行の計画を立てて
{place}について教えて
二泊三日で{place}のプラン組んでほしい
@celebrity_info info_type=biography
{person}って誰？
{person}は何歳？
{person}の出身地はどこですか
{person}って結婚してるの
{person}の生い立ちが知りたい
@celebrity_info info_type=career
{person}はどうやって有名になったの？
{person}の経歴を教えてください
{person}っていつデビューした？
{person}は前どこのチームにいた
@celebrity_info info_type=achievements
{person}の代表作は？
{person}って何の賞とったの
{person}の功績をまとめて
{person}は何した人だっけ
@celebrity_info info_type=news
{person}って最近どうしてる？
{person}の最新ニュースある？
@celebrity_info
{person}について教えて
{person}のこと詳しく
@shopping_intent
新しい{product}がほしいなあ
{product}探してるんだけど
{product}が壊れちゃって、買い替えどきかな
そろそろ{product}を新調したい
@shopping_intent intent_type=buy
{product}を買いたい
{product}注文しといて
{product}を一つお願いします、購入で
どこで{product}買える？
@shopping_intent intent_type=compare
{pair}、どっちがいい？
{pair}の違いを教えて
@shopping_intent intent_type=research
{product}のおすすめは？
{product}でいちばん評判がいいのはどれ
{product}の口コミ教えて
一人暮らし向けの{product}ってどれがいいですか
@shopping_intent intent_type=deal
{product}ってどこが安い？
{product}の相場はいくら
{product}のセールやってる？
安い{product}ないかな
@sentiment_label
「{opinion}」の感情を分析して
次の文の感情を判定してください：{opinion}
@sentiment_label granularity=basic
「{opinion}」ってポジティブ？ネガティブ？
このレビューは好意的？「{opinion}」
@sentiment_label granularity=detailed
「{opinion}」って言われたんだけど、これ怒ってるのかな
「{opinion}」と書いた人はどんな気持ち？
@sentiment_label granularity=detailed whole
もう何もかも嫌だ、消えてしまいたい
うれしすぎて涙が止まらない！！
あいつほんとに許せない、腹が立って眠れない
怖くて怖くて震えが止まらないよ
さみしくてたまらん、もう無理
やったー！合格した！！最高すぎる！
悔しい、悔しくて泣きそう
不安で胸がつぶれそうです
@weather_info forecast_type=today
今日の{place}の天気は？
{place}、今夜雨降る？
今日{place}で傘いるかな
@weather_info forecast_type=tomorrow
明日の{place}の最高気温は？
明日{place}に行くんだけどコートいる？
{place}は明日晴れますか
@weather_info forecast_type=week
週末の{place}の天気
来週{place}は寒いですか？
土曜に{place}で運動会なんだけど雨大丈夫かな
@weather_info forecast_type=current
今{place}何度？
{place}っていま雪降ってる？
@weather_info forecast_type=hourly
{place}の雨、何時ごろやむ？
{place}の1時間ごとの予報みせて
@weather_info
{place}の天気教えて
{place}は寒い？
{place}に台風来るの？
{place}の風強いかな
@schedule_reminder action=create
{when}に{what}ってリマインドして
{when}に起こして
{what}のを忘れないように{when}に知らせて
{when}に{item}の予定を入れて
{item}、{when}でカレンダーに登録お願いします
{when}にアラームかけて
{when}になったら声かけて、{what}から
@schedule_reminder action=query
{when}の予定なんだっけ？
次の{item}っていつ？
{when}って空いてる？
リマインダーの一覧見せて
{item}何時からだっけ
@schedule_reminder action=update
{item}を{when}に変更して
{item}の時間、{when}にずらせる？
@schedule_reminder action=cancel
{item}の予定キャンセルして
{when}のアラーム消して
{item}なくなったからリマインダー外しといて
@translation_assist
「{text}」を{tongue}にして
「{text}」って{tongue}で何て言うの？
{text}を{tongue}に訳して
{tongue}で「{text}」ってどう言えばいい？
次の文を{tongue}に翻訳してください。{text}
{tongue}に訳してほしい文がある
@none
{place}出身です
{place}に住んで十年になる
昨日{place}から帰ってきた
{place}、去年行ったけど楽しかったなあ
{place}って名前の由来は？
{place}の人口って何人？
{place}の友達から荷物が届いた
うちの父は{place}で働いている
{person}の映画、よかったよ
{person}に似てるってよく言われる
{person}が好きなんだよね
きのうテレビで{person}見たわ
うちの猫、{person}って名前なんだ
{product}買ったよ、すごくいい
先週{product}が届いた
{product}って誰が発明したの？
{product}の仕組みを教えて
妻が{product}を気に入ってる
{product}の掃除のしかたを教えて
{product}はもう間に合ってます
今日は暑かったねえ
雨の日は家で本を読むのが好き
雪ってなんで白いの？
台風はどうやってできるの
昔はもっと寒かったよなあ
傘をどこかに忘れてきた
風邪ひいちゃった
{tongue}の勉強を始めました
{tongue}って難しいですよね
{tongue}の文法について教えて
{tongue}が話せる人がうらやましい
{item}終わった、疲れた
{item}は苦手だ
さっき{item}に行ってきた
{when}は会議だったんだ
朝6時に起きるのが習慣です
アラームで目が覚めた
予定どおりに終わったよ
今日はちょっと疲れたかな
まあまあ楽しかった
感情ってそもそも何？
少し悲しい映画だった
みんな喜んでくれた
ありがとう、助かりました
了解です、またお願いします
おはようございます
あなたは誰？
何ができるの？
冗談言って
しりとりしよう
好きな食べ物は？
カレーの作り方教えて
じゃがいもの保存方法は？
25かける18は？
円周率って何桁まで分かってる？
Pythonでリストを逆順にするには？
エクセルで合計を出したい
頭が痛いときどうすればいい？
眠れないんだけどいい方法ある？
相対性理論を簡単に説明して
江戸時代は何年続いた？
日本で一番高い山は？
選挙の結果どうなった？
桃太郎の話をして
作文の書き出しを考えて
プレゼントに添える言葉を考えて
部屋の電気つけて
音楽かけて
それは面白いね
なるほど、そうなんだ
やっぱりいいや
桃太郎って誰が書いたの？
ピカチュウの身長は？
源氏物語の主人公は誰？
"""

ENGLISH = """
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
play some jazz
that's interesting
haha fair enough
no thanks, leave it
who created Spider-Man
how tall is Darth Vader?
is Sherlock Holmes based on someone
"""
