"""Substitution tables: leet, keyboard neighbours, SMS-speak and emoji."""

from collections.abc import Mapping


def _table(lines: str) -> Mapping[str, tuple[str, ...]]:
    """Parse ``word: form form; word: form`` over any number of lines."""
    entries = (entry.partition(":") for entry in " ".join(lines.split()).split(";"))
    return {word.strip(): tuple(forms.split()) for word, _, forms in entries}


LEET: Mapping[str, str] = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7+", "b": "8", "g": "9", "l": "1"}
"""Lower-case letter -> digits and signs of the same shape."""

NEIGHBOURS: Mapping[str, str] = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "qsz", "s": "adwx", "d": "sfec", "f": "dgrv", "g": "fhtb", "h": "gjyn", "j": "hkum", "k": "jli",
    "l": "kop", "z": "asx", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "njk",
}  # fmt: skip
"""Lower-case letter -> its neighbours on a QWERTY keyboard."""

HOMOPHONES: Mapping[str, tuple[str, ...]] = _table("""
    about: abt; account: akount acct; and: n nd; answer: anser; are: r; attempt: atempt;
    available: avail availible; await: aw8; award: awrd aword; awarded: awardid; be: b; because: cos coz;
    before: b4; bonus: bonas bonuss; box: boks; buy: bye by; call: kall kol; camera: kamera; cash: kash cazh;
    chance: chans; charged: charjed; chat: chatt; claim: klaim claym; click: klik clik; club: klub; code: kode;
    collect: kolekt colect; come: cum kome; competition: kompetition compitition; congrats: kongrats;
    contact: kontact; content: kontent; cost: kost; credit: kredit; customer: kustomer customa; date: d8;
    delivery: delivry; direct: direkt; draw: drawr; easy: ezy eezy; enter: enta entr; entry: entri; every: evry;
    exclusive: xclusive; extra: xtra; final: fynal; find: fynd; for: 4 fr; free: phree fre frea; friends: frenz;
    from: frm; game: gaym; get: git; gift: gyft; great: gr8 grate; guaranteed: garanteed; have: hav;
    holiday: holliday; hot: hott; identifier: identifyer; instant: instunt; join: joyn; just: jus;
    landline: land9; latest: l8est; later: l8r; limited: limitid; line: lyne; live: lyve; loan: lone;
    local: lokal; love: luv; match: mach; message: msg; mins: minz; minutes: minits; mobile: mobyle mob;
    money: munny mony; music: muzik; name: naym; network: netwerk; new: nu; next: nxt; night: nite; no: know;
    now: nw; number: numba nmbr; offer: offa ofer; offers: offas; one: 1 won; only: onli; operator: operater;
    order: orda; people: ppl; per: purr; phone: fone phon; pics: pix; please: pls plz; points: poynts;
    polyphonic: polyfonic; pound: pownd; pounds: pownds; price: pryce; private: pryvate; prize: prise pryze;
    quiz: kwiz; rate: r8; ready: reddy; real: reel; receive: recieve; redeemed: redeamed; reply: replie;
    reward: reword; right: rite; ringtone: ringtoan; ringtones: ringtoans; save: sayv; see: c;
    selected: selekted; send: snd; service: servis; services: servises; sexy: sexi; shows: shoze;
    special: speshal; statement: statemint; stop: stopp; subscribe: subskribe; text: tekst txt;
    thanks: thanx thx; the: da teh; this: dis; to: 2; today: 2day; tomorrow: 2moro; tone: toan; tones: toans;
    tonight: 2nite; too: 2; trying: tryin; two: 2; txt: tekst; unlimited: unlimitid; unsubscribe: unsubskribe;
    update: upd8; urgent: erjent; valid: vallid; video: vidio; visit: vizit; voucher: vowcher;
    vouchers: vowchers; wait: w8; waiting: w8ing; want: wont; week: weak wk; weekly: weakly; welcome: welkome;
    what: wot; why: y; win: wyn; winner: winna; with: wiv; won: one wun; work: werk; worth: werth; xmas: eksmas;
    year: yeer; you: u; your: ur yor
""")
"""Lower-case word -> homophones and SMS-speak forms."""

EMOJI: Mapping[str, tuple[str, ...]] = _table("""
    account: 🏦; alert: 🚨; award: 🏆; awarded: 🏆; bank: 🏦; bonus: 🎁; box: 📦; call: 📞 ☎️; camera: 📷;
    car: 🚗; cash: 💰 💵; chance: 🎲; charged: 💳; chat: 💬; claim: 🎁; click: 👆; code: 🔑; collect: 🎁;
    congratulations: 🎉; congrats: 🎉; cool: 🆒; credit: 💳; date: 💕; delivery: 🚚; dog: 🐶; email: 📧;
    fire: 🔥; flight: ✈️; football: ⚽; free: 🆓; game: 🎮; games: 🎮; gift: 🎁; girls: 👧; hello: 👋; hi: 👋;
    holiday: 🏖️ 🌴; home: 🏠; hot: 🔥; house: 🏠; instant: ⚡; kiss: 💋; link: 🔗; live: 🔴; loan: 💷;
    love: ❤️ 😍; mail: 📧; message: 📩 ✉️; messages: 📩; mobile: 📱; money: 💰 💸; month: 📅; music: 🎵;
    new: 🆕; night: 🌙; no: ❌; now: ⏰; offer: 🏷️; offers: 🏷️; ok: 🆗 👌; phone: 📱 ☎️; photo: 📷; pic: 📷;
    pics: 📷; picture: 📷; please: 🙏; pound: 💷; pounds: 💷; price: 🏷️; private: 🔒; prize: 🏆 🎁; reward: 🎁;
    ringtone: 🎶; ringtones: 🎶; send: 📤; sexy: 💋; shopping: 🛍️; stop: 🛑; text: 📲; tickets: 🎟️; time: ⏰;
    tone: 🎶; tones: 🎶; top: 🔝; txt: 📲; urgent: 🚨; video: 🎬; videos: 🎬; voucher: 🎟️; vouchers: 🎟️;
    week: 📅; win: 🏆; winner: 🏆 🥇; won: 🏆 🎉; world: 🌍; xmas: 🎄; yes: ✅
""")
"""Lower-case word -> emoji of the same meaning."""

ORNAMENTS = ("🎉", "🔥", "💰", "⭐", "✨", "🎁", "💯", "❗", "✅", "👉", "💥", "🚨", "😍", "💎", "🏆", "➡️")
"""Decorative emoji, inserted between letters and words."""

FILLERS = ("&lt;#&gt;", "lol", "ü")
"""Tokens frequent in ham and rare in spam of the training corpus."""
