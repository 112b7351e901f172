// Renews the ward without a flash, and shows times in the reader's time zone.
"use strict";

const EVERY_MILLISECONDS = 5000;
const ward = document.getElementById("ward");
const stale = document.getElementById("stale");
const format = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});
let shown = null;

function showLocalTimes() {
  for (const time of ward.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.textContent = format.format(moment);
  }
}

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(ward.dataset.address, { cache: "no-store" });
    if (answer.status === 403) return void location.reload();
    if (!answer.ok) throw new Error("no ward");
    const html = await answer.text();
    if (html !== shown) {
      // Every value in it was escaped by the server.
      ward.innerHTML = html;
      shown = html;
      showLocalTimes();
    }
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
}

showLocalTimes();
setInterval(renew, EVERY_MILLISECONDS);
document.addEventListener("visibilitychange", renew);
