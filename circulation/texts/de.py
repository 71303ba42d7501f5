"""German: what is wrong, and what the reader can do next."""

TEXTS: dict[str, tuple[str, str]] = {
    "card_unknown": (
        "Dieser Ausweis ist hier nicht bekannt.",
        "Bitte an der Theke vorzeigen.",
    ),
    "card_lost": (
        "Dieser Ausweis wurde als verloren gemeldet.",
        "Bitte an der Theke abgeben.",
    ),
    "card_void": (
        "Dieser Ausweis gilt nicht mehr.",
        "Bitte an der Theke nach dem neuen Ausweis fragen.",
    ),
    "pin_needed": ("Die PIN wird gebraucht.", "Bitte die PIN eingeben."),
    "pin_wrong": (
        "Diese PIN stimmt nicht.",
        "Noch einmal versuchen oder an der Theke eine neue PIN holen.",
    ),
    "barcode_invalid": (
        "Das ist kein Strichcode dieser Bibliothek.",
        "Bitte das Etikett der Bibliothek scannen; ist es beschädigt, zur Theke gehen.",
    ),
    "barcode_ambiguous": (
        "Diese Nummer gehört zu einem Ausweis und zu einem Medium.",
        "Bitte zur Theke gehen; eines von beiden braucht ein neues Etikett.",
    ),
    "cover_barcode": (
        "Das ist der Strichcode des Verlags.",
        "Bitte das Etikett der Bibliothek scannen, oft innen im Einband.",
    ),
    "patron_expired": (
        "Der Ausweis ist abgelaufen.",
        "Bitte an der Theke verlängern lassen.",
    ),
    "patron_blocked": (
        "Das Konto ist gesperrt.",
        "Bitte an der Theke mit dem Personal sprechen.",
    ),
    "patron_left": (
        "Dieses Konto ist abgemeldet.",
        "Bitte an der Theke neu anmelden.",
    ),
    "patron_suspended": (
        "Nach einer verspäteten Rückgabe ist das Ausleihen unterbrochen.",
        "Nach der Pause geht es weiter; zurückgeben geht immer.",
    ),
    "debt": (
        "Es sind Gebühren offen.",
        "Bitte an der Theke bezahlen und dann ausleihen.",
    ),
    "overdue_items": (
        "Es sind Medien überfällig.",
        "Bitte diese zuerst zurückgeben.",
    ),
    "item_unknown": (
        "Dieses Medium ist hier nicht bekannt.",
        "Bitte an der Theke abgeben.",
    ),
    "item_foreign": (
        "Dieses Medium gehört einer anderen Bibliothek.",
        "Bitte an der Theke abgeben; wir schicken es zurück.",
    ),
    "item_withdrawn": (
        "Dieses Medium wurde ausgesondert.",
        "Bitte an der Theke abgeben.",
    ),
    "item_in_repair": (
        "Dieses Medium soll repariert werden.",
        "Bitte an der Theke abgeben.",
    ),
    "item_damaged": (
        "Dieses Medium ist als beschädigt gemeldet.",
        "Bitte an der Theke abgeben.",
    ),
    "not_for_loan": (
        "Dieses Medium wird nicht ausgeliehen.",
        "Bitte zurückstellen oder an der Theke fragen.",
    ),
    "reference_only": (
        "Dieses Medium darf nur im Haus benutzt werden, und nicht an dieser Station.",
        "Bitte in den Lesesaal mitnehmen.",
    ),
    "not_for_this_reader": (
        "Mit diesem Ausweis kann diese Art von Medien nicht ausgeliehen werden.",
        "Bitte an der Theke fragen, was möglich ist.",
    ),
    "too_young": (
        "Dieses Medium hat eine Altersgrenze.",
        "Bitte an der Theke fragen.",
    ),
    "age_unknown": (
        "Dieses Medium hat eine Altersgrenze, und das Alter ist nicht hinterlegt.",
        "Bitte einmal an der Theke ein Dokument zeigen.",
    ),
    "held_for_other": (
        "Jemand anderes wartet auf dieses Medium.",
        "Bitte an der Theke lassen; eine eigene Vormerkung ist möglich.",
    ),
    "on_loan_to_other": (
        "Dieses Medium steht noch auf einem anderen Konto.",
        "Bitte zuerst zurückgeben und dann ausleihen.",
    ),
    "parts_missing": (
        "Es fehlen Teile.",
        "Bitte alle Teile auf die Ablage legen.",
    ),
    "parts_unexpected": (
        "Hier liegen Teile, die nicht dazugehören.",
        "Bitte wegnehmen, was nicht dazugehört, oder an der Theke fragen.",
    ),
    "too_many_loans": (
        "Die erlaubte Zahl an Medien ist erreicht.",
        "Bitte eines zurückgeben und dann dieses ausleihen.",
    ),
    "too_many_of_type": (
        "Die erlaubte Zahl an Medien dieser Art ist erreicht.",
        "Bitte eines dieser Art zurückgeben und dann dieses ausleihen.",
    ),
    "too_many_on_site": (
        "Die erlaubte Zahl an Medien zur Benutzung im Haus ist erreicht.",
        "Bitte eines abgeben und dann dieses nehmen.",
    ),
    "closed_now": (
        "Die Bibliothek ist jetzt geschlossen.",
        "Bitte zur Öffnungszeit wiederkommen.",
    ),
    "not_your_turn": (
        "Jetzt ist eine andere Klasse dran.",
        "Bitte zur Zeit der eigenen Klasse oder in einer freien Zeit kommen; "
        "zurückgeben geht immer.",
    ),
    "no_open_day": (
        "Es ist kein Öffnungstag für die Rückgabe bekannt.",
        "Bitte dem Personal sagen: Im Kalender fehlt ein Eintrag.",
    ),
    "not_on_loan": (
        "Dieses Medium ist nicht ausgeliehen.",
        "Bitte ausleihen statt verlängern.",
    ),
    "loan_of_other": (
        "Dieses Medium steht auf einem anderen Konto.",
        "Nur dort kann es verlängert werden.",
    ),
    "too_many_renewals": (
        "Diese Ausleihe kann nicht noch einmal verlängert werden.",
        "Bitte bis zum Rückgabetag zurückgeben.",
    ),
    "renewal_too_early": (
        "Zum Verlängern ist es noch zu früh.",
        "Bitte kurz vor dem Rückgabetag versuchen.",
    ),
    "renewal_overdue": ("Diese Ausleihe ist überfällig.", "Bitte zurückgeben."),
    "renewal_wanted": (
        "Jemand anderes wartet auf dieses Medium.",
        "Bitte bis zum Rückgabetag zurückgeben.",
    ),
    "renewal_recalled": (
        "Dieses Medium wurde zurückgerufen.",
        "Bitte bald zurückgeben.",
    ),
    "renewal_no_gain": (
        "Eine Verlängerung brächte jetzt keine zusätzliche Zeit.",
        "Bitte kurz vor dem Rückgabetag versuchen.",
    ),
    "hold_not_allowed": (
        "Dieses Medium kann nicht vorgemerkt werden.",
        "Bitte an der Theke fragen.",
    ),
    "hold_exists": (
        "Eine Vormerkung besteht schon.",
        "Wir melden uns, sobald es bereitliegt.",
    ),
    "hold_already_lent": (
        "Dieser Titel ist schon ausgeliehen.",
        "Er kann stattdessen verlängert werden.",
    ),
    "hold_on_shelf": (
        "Ein Exemplar steht im Regal.",
        "Bitte aus dem Regal nehmen.",
    ),
    "hold_pickup_unknown": (
        "Dort können Vormerkungen nicht abgeholt werden.",
        "Bitte einen anderen Ort wählen.",
    ),
    "too_many_holds": (
        "Die erlaubte Zahl an Vormerkungen ist erreicht.",
        "Bitte zuerst eine löschen.",
    ),
    "hold_queue_full": (
        "Es warten schon zu viele auf diesen Titel.",
        "Bitte später wieder versuchen oder an der Theke fragen.",
    ),
    "time_unsure": (
        "Diese Station kennt die Uhrzeit nicht sicher.",
        "Es gilt das gedruckte Datum; es kann nur später werden.",
    ),
    "term_unknown": (
        "Das Ende des Schuljahrs steht nicht im Kalender.",
        "Stattdessen gilt die übliche Leihfrist.",
    ),
    "item_was_missing": (
        "Dieses Medium wurde vermisst.",
        "Danke fürs Finden; sonst ist nichts zu tun.",
    ),
    "item_in_transit": (
        "Dieses Medium war auf dem Weg an einen anderen Ort.",
        "Nichts zu tun; das Personal erfährt es.",
    ),
    "parts_by_eye": (
        "Dieses Medium hat mehrere Teile.",
        "Bitte nachsehen, ob alle Teile da sind.",
    ),
}

DETAILS: dict[str, str] = {
    "patron_expired": "Abgelaufen am {day}.",
    "patron_suspended": "Bis {day}.",
    "debt": "Offen: {owed}. Ausleihen geht bis {limit}.",
    "overdue_items": "Überfällig: {count}.",
    "too_young": "Ab {age} Jahren.",
    "parts_missing": "Es fehlt: {parts} (von {total}).",
    "parts_unexpected": "Gehört nicht dazu: {parts}.",
    "parts_by_eye": "Teile: {total}.",
    "too_many_loans": "{count} von {limit}.",
    "too_many_of_type": "{count} von {limit}.",
    "too_many_on_site": "{count} von {limit}.",
    "closed_now": "Wieder offen: {day} {from}–{to}.",
    "not_your_turn": "Die nächste eigene Zeit: {day} {from}–{to}.",
    "too_many_renewals": "{count} von {limit} Mal verlängert.",
    "renewal_too_early": "Möglich ab {day}.",
    "too_many_holds": "{count} von {limit}.",
    "hold_queue_full": "Es warten {count} von {limit}.",
}
