const options = {responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]};
const drawn = [];
for (const holder of document.querySelectorAll('script[id^="figure-"]')) {
  const place = document.getElementById("plot-" + holder.id.slice("figure-".length));
  const figure = JSON.parse(holder.textContent);
  Plotly.newPlot(place, figure.data, figure.layout, options);
  drawn.push(place);
}
window.addEventListener("beforeprint", () => drawn.forEach((place) => Plotly.Plots.resize(place)));
