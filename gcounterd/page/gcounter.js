// What a page names to show live numbers, in a script element of type module or of none.
import("./page/element.js");
