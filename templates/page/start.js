// Everything is there: draw.
begin().then(() => all("figure.block").filter((one) => one.querySelector("svg, [data-chart]")).forEach(savable));
