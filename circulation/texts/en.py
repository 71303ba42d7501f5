"""English: what is wrong, and what the reader can do next."""

TEXTS: dict[str, tuple[str, str]] = {
    "card_unknown": ("This card is not known here.", "Please show it at the desk."),
    "card_lost": ("This card was reported lost.", "Please bring it to the desk."),
    "card_void": ("This card is no longer valid.", "Please ask for your new card at the desk."),
    "pin_needed": ("Your PIN is needed.", "Please type your PIN."),
    "pin_wrong": ("That PIN is not right.", "Try again, or ask for a new PIN at the desk."),
    "barcode_invalid": (
        "This is not one of our barcodes.",
        "Scan the library's label; if it is damaged, go to the desk.",
    ),
    "barcode_ambiguous": (
        "This number belongs to a card and to an item.",
        "Please go to the desk; one of the two needs a new label.",
    ),
    "cover_barcode": (
        "This is the publisher's barcode.",
        "Scan the library's own label, often inside the cover.",
    ),
    "patron_expired": ("Your card has expired.", "Please have it extended at the desk."),
    "patron_blocked": ("Your account is blocked.", "Please talk to the staff at the desk."),
    "patron_left": ("You have signed off from this library.", "Please register at the desk."),
    "patron_suspended": (
        "Borrowing is paused after a late return.",
        "You can borrow again after the pause; returning works as always.",
    ),
    "debt": ("There are unpaid fees.", "Please pay at the desk, then borrow."),
    "overdue_items": ("You have overdue items.", "Please return them first."),
    "item_unknown": ("This item is not known here.", "Please hand it in at the desk."),
    "item_foreign": (
        "This item belongs to another library.",
        "Please hand it in at the desk; we send it home.",
    ),
    "item_withdrawn": (
        "This item was taken out of our stock.",
        "Please hand it in at the desk.",
    ),
    "item_in_repair": ("This item is marked for repair.", "Please hand it in at the desk."),
    "item_damaged": ("This item is marked as damaged.", "Please hand it in at the desk."),
    "not_for_loan": ("This item is not lent.", "Please put it back or ask at the desk."),
    "reference_only": (
        "This item may only be used here, and not at this station.",
        "Please take it to the reading room.",
    ),
    "not_for_this_reader": (
        "Your kind of card cannot borrow this kind of item.",
        "Please ask at the desk what is possible.",
    ),
    "too_young": ("This item has an age limit.", "Please ask at the desk."),
    "age_unknown": (
        "This item has an age limit and your age is not on record.",
        "Please show a document at the desk once.",
    ),
    "held_for_other": (
        "Another reader is waiting for this item.",
        "Please leave it at the desk; you can place a hold yourself.",
    ),
    "on_loan_to_other": (
        "This item is still on another reader's account.",
        "Return it first, then borrow it.",
    ),
    "parts_missing": ("Parts of this set are missing.", "Put all parts on the pad."),
    "parts_unexpected": (
        "There are parts here that do not belong to this set.",
        "Take away what does not belong, or ask at the desk.",
    ),
    "too_many_loans": ("You have as many items as allowed.", "Return one, then borrow this."),
    "too_many_of_type": (
        "You have as many items of this kind as allowed.",
        "Return one of this kind, then borrow this.",
    ),
    "too_many_on_site": (
        "You are using as many items here as allowed.",
        "Hand one back, then take this.",
    ),
    "closed_now": ("The library is closed now.", "Please come back when it is open."),
    "not_your_turn": (
        "It is another class's turn now.",
        "Come in your class's time or in a free period; returning works as always.",
    ),
    "no_open_day": (
        "No open day is known on which this could be returned.",
        "Please tell the staff: the calendar needs an entry.",
    ),
    "not_on_loan": ("This item is not on loan.", "Borrow it instead."),
    "loan_of_other": (
        "This item is on another reader's account.",
        "Only that reader can renew it.",
    ),
    "too_many_renewals": (
        "This loan cannot be renewed again.",
        "Please return the item by the due date.",
    ),
    "renewal_too_early": ("It is too early to renew.", "Try again nearer the due date."),
    "renewal_overdue": ("This loan is overdue.", "Please return the item."),
    "renewal_wanted": (
        "Another reader is waiting for this item.",
        "Please return it by the due date.",
    ),
    "renewal_recalled": ("This item was called back.", "Please return it soon."),
    "renewal_no_gain": (
        "Renewing now would not give you more time.",
        "Try again nearer the due date.",
    ),
    "hold_not_allowed": ("This item cannot be reserved.", "Please ask at the desk."),
    "hold_exists": ("You already have a hold on this.", "We tell you when it is ready."),
    "hold_already_lent": ("You have this title on loan.", "You can renew it instead."),
    "hold_on_shelf": ("A copy is on the shelf.", "Please take it from the shelf."),
    "hold_pickup_unknown": (
        "Holds cannot be collected at that place.",
        "Please choose another place.",
    ),
    "too_many_holds": ("You have as many holds as allowed.", "Cancel one first."),
    "hold_queue_full": (
        "Too many readers are already waiting for this.",
        "Please try again later or ask at the desk.",
    ),
    "time_unsure": (
        "This station is not sure of the time.",
        "The printed date counts; it can only become later.",
    ),
    "term_unknown": (
        "The end of term is not in the calendar.",
        "The usual loan period was used instead.",
    ),
    "item_was_missing": (
        "This item had been reported missing.",
        "Thank you for finding it; nothing else to do.",
    ),
    "item_in_transit": (
        "This item was on its way to another place.",
        "Nothing to do; the staff are told.",
    ),
    "parts_by_eye": (
        "This item has several parts.",
        "Please check that all parts are there.",
    ),
}

DETAILS: dict[str, str] = {
    "patron_expired": "Expired on {day}.",
    "patron_suspended": "Until {day}.",
    "debt": "Owed: {owed}. Borrowing is possible up to {limit}.",
    "overdue_items": "Overdue: {count}.",
    "too_young": "From {age} years.",
    "parts_missing": "Missing: {parts} (of {total}).",
    "parts_unexpected": "Not of this set: {parts}.",
    "parts_by_eye": "Parts: {total}.",
    "too_many_loans": "You have {count} of {limit}.",
    "too_many_of_type": "You have {count} of {limit}.",
    "too_many_on_site": "You have {count} of {limit}.",
    "closed_now": "Next open: {day} {from}–{to}.",
    "not_your_turn": "Your next turn: {day} {from}–{to}.",
    "too_many_renewals": "Renewed {count} of {limit} times.",
    "renewal_too_early": "Possible from {day}.",
    "too_many_holds": "You have {count} of {limit}.",
    "hold_queue_full": "Waiting: {count} of {limit}.",
}
