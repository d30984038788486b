"""Patterns of what people say in Japanese, beside the labelled cases: how each function is asked for, and what only sounds like it.

The cases show how people really talk, the patterns cover evenly what the labelling guide says. `{place}` and the like are
filled from `SLOTS`, where `|` stands between values; a line `@function` with its closed values heads its patterns, and
`whole` says that the turn itself is the text. `@none` are mentions without a wish.
"""
# ruff: noqa: E501, RUF100 - a table is read across

from collections.abc import Mapping

SLOTS: Mapping[str, str] = {
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
}
"""Values by slot."""

PATTERNS = """
@travel_guide info_type=attractions
{place}で見るべきところは？
{place}の観光スポット教えて
{place}行くんだけど、どこ回ればいい？
今度{place}に行きます。子供が喜ぶ場所ありますか
{place}の穴場ってどこ
{place}に半日あるんやけど何見たらええ？
@travel_guide info_type=food
名物って何がある？
現地でおいしいものは？
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
リマインダー見せて
リマインダー一覧
リマインダーの確認
登録してあるリマインダー教えて
アラーム一覧出して
予定見せて
今入ってるリマインダー出して
アラーム何が入ってる？
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
今日はいい天気ですね
いいお天気だね
最近寒いよね
今日もあっついなあ
{place}に住んでいます
{place}から来ました
ラーメン大好き
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
台所の電気消して
エアコン消して
テレビ消してくれる？
お風呂のお湯止めて
音楽かけて
それは面白いね
なるほど、そうなんだ
やっぱりいいや
桃太郎って誰が書いたの？
ピカチュウの身長は？
源氏物語の主人公は誰？
"""
