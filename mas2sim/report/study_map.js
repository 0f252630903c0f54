// Draws the map of a study and colours it by the time that the slider says.
function drawStudyMap(map) {
  const place = document.getElementById("plot-map");
  const choice = document.getElementById("map-day"), slider = document.getElementById("map-time");
  const clock = document.getElementById("map-clock"), play = document.getElementById("map-play");
  const limit = document.getElementById("map-limit");
  const isUnit = (branch) => branch.kind === "transformer";
  const colours = [...map.loading, {above: null, name: "not solved", colour: map.unknown}];
  const widthOf = (branch) => branch.kind === "service" ? 2 : 6;

  // A cable that stands at its rating is not beyond it, nor is a voltage at its limit.
  function classOf(classes, value) {
    if (value === null) return classes.length;
    const within = classes === map.room ? (above) => value >= above : (above) => value > above;
    let found = 0;
    classes.forEach((each, number) => { if (each.above !== null && within(each.above)) found = number; });
    return found;
  }
  const colourIn = (classes, value) => value === null ? map.unknown : classes[classOf(classes, value)].colour;
  const text = (value, unit) => value === null ? "not solved" : (value / 10).toFixed(1) + " " + unit;
  const at = (time) => {
    const minutes = Math.round(60 * time);
    return String(Math.floor(minutes / 60)).padStart(2, "0") + ":" + String(minutes % 60).padStart(2, "0");
  };

  const middles = map.branches.map((branch) => {
    const [one, other] = branch.ends.map((end) => map.buses[end]);
    return {x: (one.x + other.x) / 2, y: (one.y + other.y) / 2};
  });
  const classTraces = [];
  for (const width of [2, 6]) colours.forEach((each, number) => classTraces.push({width, number, each}));

  function room(low, high) {
    if (low === null) return null;
    const upper = 10 * map.band[1] - high, lower = low - 10 * map.band[0];
    return {upper, lower, nearest: Math.min(upper, lower)}[limit.value] / 10;
  }

  function traces() {
    const day = map.days[choice.value], time = Number(slider.value);
    const loading = day.loading[time], low = day.low[time], high = day.high[time];
    const lines = classTraces.map(({width, number, each}) => {
      const x = [], y = [];
      map.branches.forEach((branch, index) => {
        if (isUnit(branch) || widthOf(branch) !== width) return;
        const value = loading[index] === null ? null : loading[index] / 10;
        if (classOf(map.loading, value) !== number) return;
        for (const end of branch.ends) { x.push(map.buses[end].x); y.push(map.buses[end].y); }
        x.push(null); y.push(null);
      });
      return {type: "scatter", mode: "lines", x: x.length ? x : [null], y: y.length ? y : [null], name: each.name,
        line: {color: each.colour, width}, hoverinfo: "skip", legendgroup: each.name, showlegend: width === 6};
    });
    const names = map.branches.map((branch, index) =>
      `${branch.name}<br>${branch.kind}, ${branch.rating}<br>loading ${text(loading[index], "%")}`);
    const units = map.branches.map((branch, index) => index).filter((index) => isUnit(map.branches[index]));
    return [
      ...lines,
      {type: "scatter", mode: "markers", x: middles.map((each) => each.x), y: middles.map((each) => each.y),
        marker: {size: 11, opacity: 0}, text: names, hovertemplate: "%{text}<extra></extra>", showlegend: false},
      {type: "scatter", mode: "markers", x: map.buses.map((bus) => bus.x), y: map.buses.map((bus) => bus.y),
        marker: {size: map.buses.map((bus) => bus.size), opacity: 1, line: {color: "#ffffff", width: 0.5},
          color: map.buses.map((bus, index) => colourIn(map.room, room(low[index], high[index])))},
        text: map.buses.map((bus, index) =>
          `${bus.name}<br>lowest phase ${text(low[index], "V")}<br>highest phase ${text(high[index], "V")}`),
        hovertemplate: "%{text}<extra></extra>", showlegend: false},
      {type: "scatter", mode: "markers", x: units.map((index) => middles[index].x), y: units.map((index) => middles[index].y),
        marker: {symbol: "square", size: 20, line: {color: "#27313d", width: 1.2},
          color: units.map((index) => colourIn(map.loading, loading[index] === null ? null : loading[index] / 10))},
        text: units.map((index) => names[index]), hovertemplate: "%{text}<extra></extra>", showlegend: false},
    ];
  }

  const layout = {
    height: 620, margin: {l: 10, r: 10, t: 10, b: 10}, dragmode: "pan", hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "#ffffff", uirevision: "map",
    font: {family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: "#27313d"},
    legend: {orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0},
    modebar: {bgcolor: "rgba(0,0,0,0)", color: "#9aa3ad", activecolor: "#5f6b7a"},
    xaxis: {visible: false}, yaxis: {visible: false, scaleanchor: "x"},
  };
  function draw() {
    clock.textContent = at(map.days[choice.value].clock_h[Number(slider.value)]);
    Plotly.react(place, traces(), layout,
      {responsive: true, displaylogo: false, scrollZoom: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]});
  }
  function chooseDay() {
    const day = map.days[choice.value];
    slider.max = day.clock_h.length - 1;
    slider.value = day.first;
    draw();
  }
  let timer = null;
  play.addEventListener("click", () => {
    if (timer) { clearInterval(timer); timer = null; play.textContent = "Play"; return; }
    play.textContent = "Pause";
    timer = setInterval(() => { slider.value = (Number(slider.value) + 1) % (Number(slider.max) + 1); draw(); }, 250);
  });
  map.days.forEach((day, number) => choice.add(new Option(day.name, number)));
  choice.addEventListener("change", chooseDay);
  limit.addEventListener("change", draw);
  slider.addEventListener("input", draw);
  const legend = document.getElementById("map-rooms");
  for (const each of map.room) {
    const entry = document.createElement("span");
    const swatch = document.createElement("span");
    swatch.className = "swatch"; swatch.style.background = each.colour;
    entry.append(swatch, each.name);
    legend.append(entry);
  }
  chooseDay();
}
