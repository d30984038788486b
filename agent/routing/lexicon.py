"""What words are about: a hand-written table of concepts in Japanese and English.

A few thousand labelled cases do not show every word for rain or every way to say "cheap"; the table lends the heads and the
taggers that knowledge as features. It only lends evidence: what a concept means for a decision is learned from the
cases. Not here: names of places and people, which come out of `data/offline` (`gazetteer`).
"""
# ruff: noqa: E501, RUF100 - a table is read across

from collections.abc import Mapping

CONCEPTS: Mapping[str, str] = {
    # `_` stands for a space; Japanese entries are found anywhere in the text, English ones at word boundaries.
    "weather": """天気 てんき お天気 天候 気温 きおん 予報 降水 降水確率 体感 湿度 気象 空模様 雲行き 紫外線 花粉 黄砂 pm2.5 雨雲 雨雲レーダー 最高気温
        最低気温 何度 なんど 警報 注意報 梅雨 梅雨入り 梅雨明け 桜前線 weather wether whether_in forecast forecasts temperature temperatures temp temps
        humidity humid uv uv_index wind_chill windchill precipitation rainfall snowfall degrees celsius fahrenheit
        pollen heat_index dew_point meteo barometer air_quality how_hot how_cold how_warm radar outlook minus celcius met_office""",
    "weather_sky": """雨 あめ 雪 ゆき 晴れ はれ 晴 曇り くもり 曇 嵐 雷 かみなり 台風 たいふう 霧 吹雪 みぞれ 雹 ひょう 霜 暴風 豪雨 大雨 大雪 小雨 夕立 にわか雨
        降る 降り ふる ふり 降っ 降ら 降りそう 積もる 積もっ 凍る 凍結 路面 風 風速 強風 波 猛暑 真夏日 冷え 冷え込 暑い 暑く 暑さ 寒い 寒く 寒さ 涼しい 暖かい あったかい 蒸し暑い さむい さみい あつい しばれ
        ぬくい やむ 止む 日差し 日照り rain raining rainy rains rained snow snowing snowy snows sleet hail fog foggy wind winds windy gusts gusty
        storm storms stormy thunderstorm thunder lightning typhoon hurricane tornado blizzard drizzle drizzling shower showers sunny sunshine cloud
        clouds cloudy overcast clear_up dry wet frost freezing freeze frosty icy ice chilly cold hot warm cool mild muggy boiling roasting heatwave heat
        humid bucketing pouring lashing pelting soaked scorching sweltering sun monsoon breezy swell tide drought cooler warmer colder hotter""",
    "weather_gear": """傘 かさ 折りたたみ 折り畳み 日傘 雨具 カッパ かっぱ レインコート 合羽 長靴 上着 うわぎ コート ジャケット 羽織 長袖 半袖 厚着 薄着 手袋 マフラー ダウン 防寒 洗濯物 洗濯 布団干 日焼け止め
        チェーン スタッドレス 何着 なに着 着てけば 着て行け 着ていけ 干し umbrella brolly raincoat rain_coat coat jacket sweater jumper hoodie layers scarf gloves boots wellies mac
        waterproofs sunscreen sunglasses what_to_wear snow_chains hang_out laundry washing_out poncho parka wear""",
    "when_now": """今 いま 現在 今すぐ 今の 今現在 たった今 ただいま now right_now currently at_the_moment this_minute as_we_speak presently rn atm already outside""",
    "when_today": """今日 きょう 本日 今夜 今晩 今夕 夕方 午後から 今朝 昼から 夜から today tonight this_evening this_afternoon this_morning later_today end_of_day todays""",
    "when_tomorrow": """明日 あした あす 翌日 みょうにち 明朝 明晩 明日の朝 tomorrow tomorrows tmrw tmr tomoz 2moro tomorrow_morning tmw""",
    "when_week": """今週 来週 週末 一週間 1週間 週間 土曜 日曜 月曜 火曜 水曜 木曜 金曜 土日 明後日 あさって 連休 数日 十日間 向こう week weekend weekly monday
        tuesday wednesday thursday friday saturday sunday next_week this_week weekends next_few_days coming_days seven_days 7_day ten_day 10_day five_day all_week few_days mon tue wed thu fri sat sun day_after_tomorrow fortnight weekdays""",
    "when_hourly": """時間ごと 1時間 一時間 毎時 何時 なんじ 何時頃 何時ごろ いつ頃 いつごろ いつまで 時間別 時間帯 hourly hour_by_hour by_the_hour every_hour each_hour what_time which_hours per_hour hour_to_hour""",
    "clock": """時半 午前 午後 正午 深夜 早朝 朝イチ 時に 時から 分後 時間後 分前 日後 am pm a.m p.m o'clock half_past quarter_past quarter_to noon midnight minutes mins hour hours in_an_hour half_six morning evening""",
    "remind": """リマインド リマインダー りまいんど アラーム あらーむ 目覚まし めざまし タイマー 起こして おこして 起こし 知らせて しらせて 教えてくれる 通知 忘れない 忘れんよう わすれない 忘れちゃ 鳴らして 鳴らす 声かけて 声をかけて
        催促 覚えと 覚えて メモして わすれん 忘れそう remind reminder reminders reminding alarm alarms timer wake_me wake wake_up nudge ping_me alert notify buzz don't_let_me_forget
        dont_let_me_forget make_sure_i prompt shout_at_me poke_me tell_me_when give_me_a_shout countdown remember_to jog_my_memory set_a set_an""",
    "calendar": """予定 よてい スケジュール カレンダー 予約 会議 打ち合わせ 打合せ ミーティング アポ 面談 面接 歯医者 通院 診察 検診 用事 約束 締切 締め切り 手帳 日程 枠 飲み会 登録 入れといて 入れて 入れとい 組んで 空いて 空き 面会
        schedule scheduled calendar diary appointment appointments meeting meetings agenda booked pencil slot standup one-to-one dentist event events plans planner free_on am_i_free
        what's_on do_i_have have_i_got jot put_in put_down add_to check-up call_with sync retro booking rota shift shifts deadline""",
    "change": """変更 変えて 変え ずらして ずらし 移して 移動 動かして 延期 前倒し 繰り上げ 繰り下げ 遅らせ 早めて 直して 修正 延ばして 更新 リスケ にして reschedule move shift push bump postpone change instead bring_forward make_it
        delay switch update swap rather put_back push_back extend snooze edit moved""",
    "cancel": """キャンセル 取り消し 取消 取り消して 消して 消し 削除 やめて やめとく 解除 なくなった 中止 なしに なしで 止めて 外して けして 破棄 cancel cancelled canceled delete remove scrap drop clear call_off turn_off take_off get_rid_of
        bin_the kill_the forget_the stop ditch wipe off_my""",
    "sight": """観光 名所 見どころ 見所 みどころ スポット 観る 見る 見て 見れ 見もの 回る 回れる まわる 回り方 巡り 博物館 美術館 神社 お寺 寺 城 公園 温泉 散策 景色 絶景 夜景 遊ぶ 遊び 遊べ 穴場 名物 世界遺産 動物園 水族館 遊園地 ビーチ 海水浴 登山 体験
        行くべき 寄る 寄れる 立ち寄り sights sightseeing attraction attractions see visit visiting museum museums gallery temple temples castle park parks things_to_do what_to_do places must-see must_see worth_seeing
        landmarks views hike hikes hiking trail beach beaches day_trip touristy tourist tourists hidden_gems viewpoint explore swimming zoo worth_a_visit worth_it palace ruins walk walks kids""",
    "food": """グルメ うまい 美味しい おいしい 名物 料理 食べる 食べ たべもの 食事 飯 めし ごはん ご飯 ランチ 昼飯 夕飯 朝食 居酒屋 レストラン カフェ 喫茶 ラーメン 寿司 蕎麦 うどん 屋台 夜市 郷土料理 店 飯屋 呑み 飲み屋 食い倒れ 地酒 スイーツ 海鮮
        食えば 食い 食べ歩き 食べれ eat eats eating food foods restaurant restaurants dinner lunch breakfast brunch cafe cafes coffee cuisine dish dishes specialty speciality street_food seafood bite pub pubs bar bars drink vegan vegetarian bakery dine dining supper grub taste try ramen tacos""",
    "transport": """行き方 行きかた アクセス 交通 電車 バス 新幹線 飛行機 船 フェリー レンタカー 車なし 車なしで 車がなくて 乗り換え 乗り場 空港 駅から 最寄り 何分 移動手段 足 どうやって行 どう行 行くには 運行 時刻表 タクシー 港 路線 切符 乗車 直通 徒歩 歩いて
        how_do_i_get get_to get_there get_from getting_to getting_around get_around train trains bus buses ferry ferries airport flight flights fly drive driving by_car subway metro tram taxi transport transit transportation route layover shuttle connection without_a_car car_hire rental_car rail railway station public_transport""",
    "lodging": """ホテル 旅館 宿 やど 民宿 宿泊 泊まる 泊まれる 泊まり 泊まっ 泊る とまる 泊 民泊 ゲストハウス 素泊まり カプセル ペンション キャンプ 温泉宿 コテージ hotel hotels hostel hostels stay staying b&b bnb airbnb accommodation accommodations lodging lodge inn guesthouse ryokan sleep camp campsite
        camping cabin rooms where_to_stay motel resort villa place_to_stay apartment overnight""",
    "festivals": """祭り まつり 祭 お祭り イベント 花火 花火大会 フェス 開催 催し ライトアップ 行事 パレード マルシェ festival festivals fest event events parade concert concerts fireworks what's_on what's_happening going_on fair market markets carnival gigs exhibition happening celebrations""",
    "tips": """注意 気をつけ 治安 マナー コツ 持ち物 服装 チップ 混む 混雑 時期 ベストシーズン いつ行く 予算 ビザ 両替 何日 通じる 混んで ひとり旅 一人旅 安全 tips tip advice safe safety avoid etiquette best_time crowds crowded pack visa budget currency customs should_i_know scams dress_code how_many_days how_long tipping need_to_know when_to_go""",
    "trip": """旅行 旅 りょこう 旅程 プラン 計画 行く 行って 行こう 行きたい いきたい 行ってみたい 出張 新婚旅行 日帰り 修学旅行 帰省 ツアー 遠出 旅先 お出かけ 泊二日 泊三日 日程 巡る 観光地 どんなところ どんな所 どんな街 どんな町 どんな島 周辺 ドライブ
        trip trips travel travelling traveling traveler itinerary vacation holiday holidays honeymoon tour plan_me guide weekend_in weekend_away days_in getaway visit visiting city_break what's_it_like what_is_it_like road_trip going_to heading_to off_to destination stopover backpacking never_been near_there around_there over_there kind_of_place""",
    "who": """誰 だれ 何者 どんな人 どういう人 人物 プロフィール ご本人 さんって 選手 監督 俳優 女優 歌手 作家 画家 首相 大統領 作曲家 漫画家 芸人 力士 声優 社長 詩人 科学者 who who's whos whose person guy actor actress singer writer author painter president footballer player
        poet scientist composer director politician athlete bloke founder comedian musician rapper philosopher inventor queen king""",
    "life": """生まれ 生い立ち 出身 年齢 何歳 なんさい いくつ 誕生日 享年 亡くな 死因 没 結婚 奥さん 旦那 家族 子供 子ども時代 身長 学歴 大学 本名 生涯 人生 幼少 伝記 育ち 独身 夫婦 兄弟 国籍 経歴 born birthday birthplace age how_old died die death dead alive married wife husband
        kids children childhood grew_up grow_up family biography bio life hometown height how_tall real_name nationality education parents siblings school raised divorced upbringing early_life from""",
    "career": """経歴 キャリア デビュー 活動 所属 チーム 移籍 なぜ有名 有名に 世に出 始めた きっかけ 職歴 役職 政党 現役 引退 前職 仕事 何した人 何をした人 なにした career debut debuted team teams played play_for get_famous famous_for known_for become became start_out get_started before_he before_she
        worked job retired retire signed office elected role club break_into path rise discovered make_her_name make_his_name""",
    "works": """代表作 作品 受賞 賞 曲 本 小説 映画 出演 ノーベル賞 グラミー 金メダル メダル 記録 功績 業績 発明 アルバム 主演 ヒット曲 著書 絵 優勝 発見 本塁打 出てる 著作 アカデミー賞 works work books book novels novel films film movies movie songs song albums album
        awards award prize nobel oscar oscars grammy grammys gold medals medal records record achievements wrote written write won win invented discovered hits best_known paintings painted starred goals titles directed discography filmography achieve accomplish masterpiece""",
    "news": """最近 最新 ニュース 話題 近況 今何して いまなにして 今どうして 何してる 新曲 炎上 動向 復帰 この頃 近ごろ 活動再開 news latest recent recently lately nowadays up_to these_days what's_new anything_new headlines scandal in_the_news update announced""",
    "buy": """買う 買い 買お 買え 買って 買っ かう かいたい かって 購入 注文 ほしい 欲しい ほしか 欲し 欲しか 手配 予約 頼みたい 取り寄せ ポチ カートに 発注 契約 申し込み 新調 買い替え 買い換え 探して さがして 探しとる 探し 要る いる ちょうだい buy buying purchase order get_me
        pick_up want wanna need looking_for shopping shop cart basket checkout in_the_market replace new replacement subscribe sign_up reorder grab treat_myself after_a could_do_with fancy i'd_like hunting_for upgrade gift present stock_up ship hire in_stock add_to_cart""",
    "compare": """比較 比べ 違い ちがい 違う どっち どちら どれ 迷って 迷う 迷っ 対 versus vs compare comparison difference between or which better which_one torn_between difference_between stack_up against head_to_head pros_and_cons""",
    "research": """おすすめ オススメ お勧め お薦め 評判 口コミ レビュー 人気 ランキング 性能 コスパ 使い心地 評価 選び方 いいやつ 良い いい どれがいい 使いやすい ベスト 長持ち 定番 良か ええの reviews review rated rating recommend recommendation recommendations best good any_good decent reliable
        worth which_is_the_best top popular quality suggestions suggest advise last lasts brand brands""",
    "deal": """安い 安く 安か やすい 最安 値段 ねだん 価格 いくら 割引 セール クーポン 相場 料金 お得 値下げ 特価 格安 中古 円 円以下 アウトレット 月額 安くなっ 見積 cheap cheaper cheapest price prices pricing cost costs how_much deal deals discount discounts sale sales
        coupon coupons bargain on_offer offers promo voucher affordable black_friday going_rate pricey quote fee rates dollars quid bucks budget code knock_off""",
    "product": """イヤホン ヘッドホン スマホ パソコン ノートpc カメラ 掃除機 洗濯機 冷蔵庫 炊飯器 テレビ 電子レンジ エアコン 扇風機 自転車 靴 スニーカー バッグ 鞄 財布 時計 化粧水 シャンプー 椅子 チェア 机 ソファ ベッド マットレス 枕 布団 カーテン 服 ワンピース 帽子 ベビーカー
        おもちゃ ゲーム キーボード マウス モニター プリンター ルーター タブレット ipad iphone ケトル 鍋 フライパン 包丁 コーヒーメーカー ドライヤー シェーバー 保険 サブスク ジム 電池 充電器 バッテリー スーツケース リュック 化粧品 家電 加湿器 空気清浄機 ドラム式 楽器 ギター 引っ越し業者 クリーニング
        headphones earbuds earphones phone laptop camera vacuum washing_machine fridge tv monitor keyboard mouse printer router tablet bike bicycle shoes trainers sneakers bag backpack wallet watch chair desk sofa
        mattress pillow blender kettle toaster air_fryer fryer grill tent stroller pram toy toys console guitar drill mower lawnmower charger battery insurance subscription broadband gym plan tyres tires shampoo perfume makeup dress jacket boots
        suitcase luggage speaker speakers drone projector heater fan humidifier dehumidifier purifier machine maker mixer set kit car printer_ink vpn software plumber service cleaner lamp bulb rug curtains pan knife cooker oven freezer""",
    "feeling_ask": """感情 気持ち きもち ポジティブ ネガティブ ポジネガ ネガポジ ポジかネガ 極性 トーン ニュアンス 分析 判定 怒って 怒っとる 喜んで 褒め けなし 皮肉 本音 心理 分類 どういう気持ち 心情 雰囲気 好意的 中立 ムード sentiment emotion emotions feeling feelings feel positive negative neutral pos
        neg tone mood classify vibe come_across comes_across sound sounds reads read_as angry sarcastic upset annoyed passive aggressive analyse analyze label score polarity rate_the detect emotional snarky""",
    "emotion": """うれしい 嬉しい 悲しい かなしい 辛い つらい 腹立つ 腹が立 むかつく ムカつく ムカつ 最悪 最高 いやだ 嫌だ いやになっ もういや 寂しい さみしい 怖い こわい 不安 泣き 泣い 泣け 涙 悔しい くやしい 幸せ 死にたい 消えたい 許せない ゆるせん 許せん しんどい 疲れた 限界 絶望 やった やばい 耐えられ 号泣
        腹の虫 震え 落ち込 感動 イライラ 大嫌い 情けない 情けなく 胸が ありえない ふざけ はらわた 怒り 心配で もう無理 むなしい 虚しい 切ない 恥ずかし うんざり がっかり i'm_so so_happy so_sad so_angry hate love_it devastated furious heartbroken terrified scared crying cry sobbing tears ecstatic over_the_moon can't_stop thrilled gutted fed_up can't_take
        livid excited miserable lonely ashamed depressed hopeless exhausted worst_day best_day shaking screaming fuming panicking proud sick_of omg ugh dread disgusting disgusted unbearable overwhelmed grief broken jealous humiliated raging buzzing chuffed worthless anxious nervous""",
    "translate": """訳して やくして 翻訳 ほんやく 英訳 和訳 邦訳 訳 直訳 通訳 なんて言う 何て言う なんていう 何ていう なんと言う どう言う どういう意味 意味 言い方 言いたい 言いたか 語で 語に 語にして 語だと 語では 語の 語を どない言う 訳せ 訳文 書いて 書きたい 語版 translate translates translation translations translated translator how_do_i_say how_do_you_say how_to_say
        how_would_i_say say_in how_would_you_say say_it in_english into what's_the_word word_for what_does_it_mean mean means meaning phrase come_out_as render put_it put_this how_does_one_say in_their_language what_does_this_say version spell_out way_to_say subtitles""",
    "tongue": """英語 日本語 中国語 韓国語 仏語 独語 フランス語 ドイツ語 スペイン語 イタリア語 ポルトガル語 ロシア語 アラビア語 ベトナム語 タイ語 インドネシア語 えいご にほんご 外国語 標準語 英文 和文 english japanese chinese mandarin cantonese korean french german spanish italian portuguese russian arabic
        vietnamese thai indonesian dutch swedish polish turkish greek hebrew hindi urdu tagalog filipino welsh irish gaelic latin ukrainian danish norwegian finnish czech hungarian romanian swahili malay bengali tamil nepali persian farsi""",
    "there": """そこ そっち 向こう むこう あそこ あっち 現地 そちら そのへん その辺 その あの その人 彼 彼女 あの人 この人 それ あれ これ さっき 同じ 前者 後者 二つ目 ひとつ目 その二つ there it that this those these them they he she him her his hers one same the_first the_second first_one second_one former latter""",
    "followup": """じゃあ じゃ では それなら なら あと ちなみに も やっぱり はどう の方 の場合 は？ what_about how_about and also instead then ok okay or else actually""",
    "thanks": """ありがとう ありがと あざす サンキュー さんきゅ 助かっ 助かる どうも おおきに だんだん 感謝 お疲れ おつかれ 了解 わかった わかりました 分かりました なるほど へえ 大丈夫です 結構です いいや もういい すごい thanks thank_you cheers ta great perfect brilliant lovely got_it okay_thanks never_mind nevermind that's_all appreciate much_obliged sounds_good
        no_thanks nah wow interesting cool haha lol nice_one understood good_to_know""",
    "greeting": """おはよう こんにちは こんばんは やあ おやすみ ただいま はじめまして よろしく お世話になって 元気 hello hi hey good_morning good_evening good_night morning how_are_you hiya yo goodbye bye welcome what's_up""",
    "past": """行ってきた 買った 買いました だった でした 面白かった 終わった 済んだ 済みました もらった しました 出身です 見た 読んだ 届いた went bought was were had came got_back finished loved last_week last_night yesterday last_year used_to ago 昨日 きのう 先週 昔 去年 先月 おととい""",
    "recipe": """レシピ 作り方 つくり方 煮る 焼く 炒め 献立 おかず 下ごしらえ 賞味期限 冷凍 茹で ゆで 味付け 隠し味 recipe recipes cook cooking bake baking boil roast fry ingredients substitute marinade simmer oven leftovers""",
    "maths": """足す 掛ける 割る 計算 平方根 方程式 何パーセント 確率 面積 階乗 割り算 掛け算 微分 積分 素数 合計 plus minus times divided square_root percent percentage equation calculate sum average solve factorial cubed squared prime fraction how_many 足し 引く""",
    "code": """python パイソン javascript コード エラー 関数 バグ sql エクセル excel 正規表現 git docker linux プログラム コマンド ループ 変数 code bug function loop regex error script compile spreadsheet formula api css html java rust array debug server database""",
    "health": """頭痛 熱 咳 腰 肩こり 風邪 薬 病院 血圧 眠れない 胃 アレルギー 便秘 湿疹 headache fever cough pain sore hurts doctor rash stomach sleep vitamin diet allergic allergy symptoms pregnant blood_pressure itchy migraine""",
    "why": """なぜ なんで どうして 理由 仕組み どういうこと とは って何 ってなに 何のこと 由来 why how_does how_do explain what_is what's_a what_are reason works difference_between what_causes who_invented origin 意味わからん""",
    "chat": """冗談 ジョーク なぞなぞ しりとり 話して 話そう 暇 ひま おもしろい話 好きな 嫌いな 思う どう思う あなた 君は お前 おまえ 自己紹介 名前 joke jokes riddle story poem bored opinion favourite favorite do_you you_think your_name are_you can_you who_made_you chat play_a_game name_for tell_me_a knock_knock haiku quiz""",
    "home": """電気つけ 照明 音楽 再生 音量 かけて テレビつけ エアコンつけ 送って 電話して メールして 検索 開いて 明るく lights turn_on turn_off volume play dim switch_on unlock thermostat open_the text_my call_my send_a""",
    "please": """ください 下さい お願い おねがい くれ くれる もらえ 教えて おしえて 頼む 頼んだ 調べて しらべて 知りたい 見せて おしえ くれない くれへん けろ けれ ちょうだい くれんね いただけ please could_you can_you would_you tell_me show_me give_me help find look_up i_need kindly let_me_know check find_out pls plz""",
    "question": """？ ? か。 かな かね かしら だっけ やっけ っけ の？ どう どこ いつ 何 なに どんな どれ how what where when which is_it are_there will should does can any do_i is_there""",
    "product_pair": """と比べ どっちが どちらが と迷 のどっち の違い vs versus compared_to or_the or_a""",
    "number": """一つ 二つ 三つ 1つ 2つ 個 箱 本ずつ 枚 one two three four five six seven eight nine ten dozen couple pair""",
}
"""Words by concept: Japanese (with common kana spellings) and English, separated by blanks."""
