"""The wording that comes with the product, in both languages; a firm's approved template takes its place."""

from __future__ import annotations

from typing import Final

PLACEHOLDERS: Final = ("client", "broker", "reference", "amount", "missing", "due", "link")
# What only the notice of a forced sale says, from the contract note that goes along.
SOLD_PLACEHOLDERS: Final = ("note", "asset", "quantity", "traded_on", "settles_on", "gross", "charges", "net")

_WAYS_EN: Final = (
    "You may meet it by paying {missing}, by depositing further acceptable collateral, or by selling what is"
    " pledged.\n\nPlease confirm that you have read this: {link}\n\n{broker}"
)
_WAYS_ZH: Final = (
    "你可以：存入 {missing}；存入其他可接納的抵押品；或出售已抵押的資產，以補足所需。\n\n"
    "請按此確認你已閱讀本通知：{link}\n\n{broker}"
)
_END_EN: Final = "\n\n{link}\n\n{broker}"
_END_ZH: Final = "\n\n{link}\n\n{broker}"

DEFAULTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "en": {
        "expected": (
            "A margin call is expected: {reference}",
            "Dear {client},\n\nOn the next business day the terms of your collateral change. At present prices"
            " {amount} would then be missing. Nothing is demanded yet." + _END_EN,
        ),
        "issued": (
            "Margin call {reference}: {amount} by {due}",
            "Dear {client},\n\nYour account is short of margin. {amount} is due by {due}, failing which we may"
            " sell your collateral without further notice.\n\n" + _WAYS_EN,
        ),
        "amended": (
            "Margin call {reference} amended: {amount}",
            "Dear {client},\n\nPrices have changed: the call now stands at {amount}, of which {missing} is"
            " missing. It is due by {due}.\n\n" + _WAYS_EN,
        ),
        "part_met": (
            "Margin call {reference}: {missing} still missing",
            "Dear {client},\n\nWe received part of what was called. {missing} is still missing and is due by"
            " {due}." + _END_EN,
        ),
        "reminder": (
            "Reminder: margin call {reference} is due by {due}",
            "Dear {client},\n\n{missing} is still missing and is due by {due}, failing which we may sell your"
            " collateral without further notice.\n\n" + _WAYS_EN,
        ),
        "moved": (
            "Margin call {reference} is now due by {due}",
            "Dear {client},\n\nThe call of {amount} is now due by {due}." + _END_EN,
        ),
        "overdue": (
            "Margin call {reference} is overdue",
            "Dear {client},\n\nThe call was not met in time and {missing} is missing. We may now sell your"
            " collateral." + _END_EN,
        ),
        "met": (
            "Margin call {reference} is met",
            "Dear {client},\n\nThe call is met. Nothing more is due on it." + _END_EN,
        ),
        "waived": (
            "Margin call {reference} is waived",
            "Dear {client},\n\nThe call is waived for a time. A new one may follow when the waiver ends."
            + _END_EN,
        ),
        "cancelled": (
            "Margin call {reference} is taken back",
            "Dear {client},\n\nThe call is taken back. Please disregard what we asked for." + _END_EN,
        ),
        "sale": (
            "Forced sale of collateral: {reference}",
            "Dear {client},\n\nAs the call was not met, a sale of your collateral is being prepared."
            + _END_EN,
        ),
        "sale_notice": (
            "Collateral sold: {quantity} {asset}",
            "Dear {client},\n\nAs margin call {reference} was not met, we sold {quantity} {asset} on {traded_on} for"
            " {gross}. Charges are {charges}; {net} repays your loan on {settles_on}, and what is left is yours."
            "\n\nContract note {note} goes along with this notice." + _END_EN,
        ),
        "settled": (
            "Margin call {reference} is settled by sale",
            "Dear {client},\n\nCollateral was sold and the call is settled. The contract notes follow."
            + _END_EN,
        ),
        "shortfall": (
            "Shortfall after the sale of collateral: {reference}",
            "Dear {client},\n\nAll collateral was sold and part of your debt remains. We will contact you."
            + _END_EN,
        ),
    },
    "zh-hant": {
        "expected": (
            "預期追繳保證金：{reference}",
            "{client}：\n\n你的抵押品條款將於下一營業日更改。按現價計算，屆時將欠 {amount}。目前無須補足。"
            + _END_ZH,
        ),
        "issued": (
            "追繳保證金通知 {reference}：請於 {due} 前補足 {amount}",
            "{client}：\n\n你的帳戶保證金不足，須於 {due} 前補足 {amount}；逾期我們可出售你的抵押品而不另行通知。\n\n"
            + _WAYS_ZH,
        ),
        "amended": (
            "追繳保證金通知 {reference} 已修訂：{amount}",
            "{client}：\n\n價格已變動，追繳金額現為 {amount}，尚欠 {missing}，須於 {due} 前補足。\n\n"
            + _WAYS_ZH,
        ),
        "part_met": (
            "追繳保證金通知 {reference}：尚欠 {missing}",
            "{client}：\n\n我們已收到部分款項或抵押品，尚欠 {missing}，須於 {due} 前補足。" + _END_ZH,
        ),
        "reminder": (
            "提示：追繳保證金通知 {reference} 將於 {due} 到期",
            "{client}：\n\n尚欠 {missing}，須於 {due} 前補足；逾期我們可出售你的抵押品而不另行通知。\n\n"
            + _WAYS_ZH,
        ),
        "moved": (
            "追繳保證金通知 {reference} 改於 {due} 到期",
            "{client}：\n\n追繳金額 {amount} 的到期時間改為 {due}。" + _END_ZH,
        ),
        "overdue": (
            "追繳保證金通知 {reference} 已逾期",
            "{client}：\n\n追繳未如期補足，尚欠 {missing}。我們現可出售你的抵押品。" + _END_ZH,
        ),
        "met": ("追繳保證金通知 {reference} 已補足", "{client}：\n\n追繳已補足，無須再付款。" + _END_ZH),
        "waived": (
            "追繳保證金通知 {reference} 獲豁免",
            "{client}：\n\n此追繳獲暫時豁免；豁免屆滿後可能再發出通知。" + _END_ZH,
        ),
        "cancelled": (
            "追繳保證金通知 {reference} 已撤回",
            "{client}：\n\n此追繳已撤回，請毋須理會。" + _END_ZH,
        ),
        "sale": (
            "強制出售抵押品：{reference}",
            "{client}：\n\n由於追繳未獲補足，我們正準備出售你的抵押品。" + _END_ZH,
        ),
        "sale_notice": (
            "已出售抵押品：{quantity} {asset}",
            "{client}：\n\n由於追繳保證金通知 {reference} 未獲補足，我們已於 {traded_on} 出售 {quantity} {asset}，"
            "所得總額 {gross}，收費 {charges}；淨額 {net} 將於 {settles_on} 用以償還貸款，餘款歸你所有。"
            "\n\n隨本通知附上成交單據 {note}。" + _END_ZH,
        ),
        "settled": (
            "追繳保證金通知 {reference} 已以出售結清",
            "{client}：\n\n抵押品已出售，追繳已結清。成交單據將隨後發出。" + _END_ZH,
        ),
        "shortfall": (
            "出售抵押品後的欠款：{reference}",
            "{client}：\n\n抵押品已全部出售，尚有欠款。我們會與你聯絡。" + _END_ZH,
        ),
    },
}
