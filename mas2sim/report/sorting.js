// Tables are sorted by the column whose head is pressed; once more turns the order round.
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const key = (row) => row.cells[column].dataset.sort;
      const numbers = row => row.cells[column].dataset.number === "1";
      const rows = [...body.rows].map((row, place) => ({row, place, key: key(row), number: numbers(row)}));
      rows.sort((one, other) => {
        // What is missing stays at the end either way.
        if (one.key === "" || other.key === "") return (one.key === "") - (other.key === "") || one.place - other.place;
        const order = one.number && other.number
          ? Number(one.key) - Number(other.key)
          : one.key.localeCompare(other.key, "en", {numeric: true});
        return (up ? order : -order) || one.place - other.place;
      });
      body.append(...rows.map((each) => each.row));
    });
  });
}
document.querySelectorAll("table.sortable").forEach(makeSortable);
