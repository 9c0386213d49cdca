// Zinc-plated hex bolt with nut and washer.
#include "studio.inc"
Studio(<-3.0, 4.6, -8.2>, <-0.3, 0.5, -0.25>, 42, <0.42, 0.46, 0.52>)

#declare A = 0.85;     // half of the width across flats
#declare R = 0.5;      // thread radius

#macro Nut(H)
  difference {
    intersection {
      Hex(A, H)
      Chamfer_Disc(A*1.1547, H, 0.12)
    }
    cylinder { <0, -1, 0>, <0, H + 1, 0>, R - 0.05 }
    cone { <0, H - 0.1, 0>, R - 0.05, <0, H + 0.01, 0>, R + 0.08 }
    cone { <0, 0.1, 0>, R - 0.05, <0, -0.01, 0>, R + 0.08 }
    #local Y = 0.05;
    #while (Y < H)
      torus { R - 0.045, 0.05 scale <1, 0.9, 1> translate y*Y }
      #local Y = Y + 0.15;
    #end
  }
#end

#declare Bolt = union {
  intersection {                         // head
    Hex(A, 0.66)
    cone { <0, -0.1, 0>, A*1.1547 - 0.32, <0, 2, 0>, A*1.1547 + 3.25 }
    bounded_by { box { <-1.1, -0.01, -1.1> <1.1, 0.67, 1.1> } }
  }
  cylinder { <0, 0.66, 0>, <0, 0.72, 0>, A*0.93 }
  cylinder { <0, 0.7, 0>, <0, 2.3, 0>, R }
  intersection {
    object { Thread(R, 0.13, 0.17, 2.9) translate y*2.25 }
    cone { <0, 0, 0>, R + 5.15 - 0.12, <0, 5.15, 0>, R - 0.12 }
  }
}

union {
  object { Bolt }
  object { Nut(0.72) translate y*3.55 }
  texture { Zinc }
  rotate y*30
  translate y*-2.6
  rotate z*-90
  rotate x*30
  translate y*A
  rotate y*24
  translate <-0.1, 0, 0.5>
}
object { Nut(0.72) texture { Zinc } rotate y*17 translate <1.15, 0, -1.75> }
difference {
  cylinder { 0, y*0.13, 1.0 }
  cylinder { -y, y, 0.55 }
  texture { Zinc }
  translate <-1.25, 0, -1.75>
}
