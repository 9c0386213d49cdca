// ABS electronics enclosure: open base with ribs and bosses, lid beside it.
#include "studio.inc"
Studio(<-3.6, 6.2, -8.4>, <0.15, 0.95, 0.35>, 41, <0.98, 1.0, 1.02>)

#declare Abs = texture {
  pigment { rgb <0.60, 0.62, 0.60> }
  normal { granite 0.05 scale 0.05 }
  finish { Plastic_Finish }
}
#declare Abs_Dark = texture {
  pigment { rgb <0.085, 0.09, 0.1> }
  normal { granite 0.06 scale 0.05 }
  finish { Plastic_Finish }
}

#declare W = 2.1; #declare D = 1.4; #declare H = 1.15; #declare T = 0.12;

#macro Boss(X, Z)
  difference {
    union {
      cylinder { <X, 0.05, Z>, <X, H - 0.08, Z>, 0.2 }
      box { <X - 0.04, 0.05, Z> <X + 0.04, H - 0.35, Z + 0.3*(Z > 0 ? 1 : -1)> }
      box { <X, 0.05, Z - 0.04> <X + 0.3*(X > 0 ? 1 : -1), H - 0.35, Z + 0.04> }
    }
    cylinder { <X, 0.4, Z>, <X, 3, Z>, 0.09 }
  }
#end

#declare Base = union {
  difference {
    Round_Box_Union(<-W, 0, -D>, <W, H + 0.5, D>, 0.2)
    box { <-W + T, T, -D + T> <W - T, 4, D - T> }
    box { <-9, H, -9> <9, 9, 9> }
    box { <-W + T*0.5, H - 0.08, -D + T*0.5> <W - T*0.5, 4, D - T*0.5> }
    // connector openings in the front wall
    box { <-1.35, 0.4, -D - 1> <-0.55, 0.75, -D + 0.5> }
    cylinder { <0.2, 0.57, -D - 1>, <0.2, 0.57, -D + 0.5>, 0.2 }
    cylinder { <0.85, 0.57, -D - 1>, <0.85, 0.57, -D + 0.5>, 0.2 }
    // vent slots in the left wall
    #declare I = -4;
    #while (I <= 4)
      box { <-W - 1, 0.3, I*0.2 - 0.045> <-W + 0.5, 0.85, I*0.2 + 0.045> }
      #declare I = I + 1;
    #end
  }
  // stiffening ribs on the back and right wall
  #declare I = -6;
  #while (I <= 6)
    box { <I*0.25 - 0.03, 0.05, D - T - 0.12> <I*0.25 + 0.03, H - 0.2, D - T + 0.02> }
    #declare I = I + 1;
  #end
  #declare I = -3;
  #while (I <= 3)
    box { <W - T - 0.12, 0.05, I*0.25 - 0.03> <W - T + 0.02, H - 0.2, I*0.25 + 0.03> }
    #declare I = I + 1;
  #end
  // ribs on the floor
  box { <-W + T, 0.05, -0.035> <W - T, 0.26, 0.035> }
  box { <-0.735, 0.05, -D + T> <-0.665, 0.26, D - T> }
  box { <0.665, 0.05, -D + T> <0.735, 0.26, D - T> }
  Boss(-W + 0.4, -D + 0.4) Boss(W - 0.4, -D + 0.4)
  Boss(-W + 0.4, D - 0.4) Boss(W - 0.4, D - 0.4)
  texture { Abs }
}

#declare Lid = difference {
  union {
    Round_Box_Union(<-W, 0, -D>, <W, 0.3, D>, 0.12)
  }
  box { <-1.1, 0.26, -0.85> <1.1, 1, 0.05> }        // label recess
  #declare I = -5;
  #while (I <= 5)
    box { <I*0.24 - 0.05, -1, 0.35> <I*0.24 + 0.05, 1, 1.05> }
    #declare I = I + 1;
  #end
  #declare I = 0;
  #while (I < 4)
    #declare Sx = (mod(I, 2) = 0 ? -1 : 1);
    #declare Sz = (I < 2 ? -1 : 1);
    cylinder { <Sx*(W - 0.4), 0.15, Sz*(D - 0.4)>, <Sx*(W - 0.4), 1, Sz*(D - 0.4)>, 0.17 }
    cylinder { <Sx*(W - 0.4), -1, Sz*(D - 0.4)>, <Sx*(W - 0.4), 1, Sz*(D - 0.4)>, 0.09 }
    #declare I = I + 1;
  #end
  texture { Abs }
}

object { Base rotate y*-8 translate <-0.25, 0, -0.2> }
object { Lid rotate y*0 translate <0, 0, D> rotate x*-62 rotate y*-8 translate <0.75, 0.05, 1.75> }
