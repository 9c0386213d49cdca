// Glass-fibre dinghy hull on a trestle: gelcoat outside, laminate inside.
#include "studio.inc"
Studio(<-8.2, 5.4, -8.8>, <-0.35, 1.2, 0>, 37, <0.93, 0.99, 1.06>)

// Hull surface: U 0 (stern) .. 1 (bow), V 0 (keel) .. 1 (gunwale).
#macro Beam(U) (1.32*pow(max(0, 1 - pow(U, 2.6)), 0.62)*(0.80 + 0.20*sin(pi*min(1, U*0.9 + 0.18)))) #end
#macro Keel(U) (0.10 + 1.30*pow(U, 6) + 0.12*pow(1 - U, 2)) #end
#macro Sheer(U) (1.50 + 0.55*pow(U, 2)) #end
#macro Hull_Point(U, V, Side, T)
  (<-3.6 + 7.2*U + 0.35*V*pow(U, 3),
    T + Keel(U) + (Sheer(U) - Keel(U) - T)*pow(V, 1.9 - 0.8*pow(U, 2)),
    Side*max(0, (Beam(U) - T))*pow(V, 0.62 + 0.45*U)>)
#end
#macro Hull_Normal(U, V, Side, T)
  #local E = 0.004;
  #local U1 = min(1, U + E); #local U0 = max(0, U - E);
  #local V1 = min(1, V + E); #local V0 = max(0.0005, V - E);
  #local Nn = vcross(Hull_Point(U1, V, Side, T) - Hull_Point(U0, V, Side, T),
                     Hull_Point(U, V1, Side, T) - Hull_Point(U, V0, Side, T));
  #if (vlength(Nn) < 1e-9) #local Nn = x; #end
  (vnormalize(Nn)*Side*-1)
#end

#declare Nu = 90; #declare Nv = 40;
#macro Shell(Side, T)
  mesh2 {
    vertex_vectors { (Nu + 1)*(Nv + 1)
      #local I = 0; #while (I <= Nu) #local J = 0; #while (J <= Nv)
        , Hull_Point(0.995*I/Nu, max(0.0005, J/Nv), Side, T)
      #local J = J + 1; #end #local I = I + 1; #end
    }
    normal_vectors { (Nu + 1)*(Nv + 1)
      #local I = 0; #while (I <= Nu) #local J = 0; #while (J <= Nv)
        , Hull_Normal(0.995*I/Nu, max(0.0005, J/Nv), Side, T)
      #local J = J + 1; #end #local I = I + 1; #end
    }
    face_indices { Nu*Nv*2
      #local I = 0; #while (I < Nu) #local J = 0; #while (J < Nv)
        #local K = I*(Nv + 1) + J;
        , <K, K + 1, K + Nv + 1>, <K + 1, K + Nv + 2, K + Nv + 1>
      #local J = J + 1; #end #local I = I + 1; #end
    }
  }
#end

#declare Gelcoat = texture {
  pigment {
    gradient y
    color_map {
      [0.00 rgb <0.012, 0.04, 0.13>] [0.325 rgb <0.012, 0.04, 0.13>]
      [0.325 rgb <0.86, 0.86, 0.83>] [0.345 rgb <0.86, 0.86, 0.83>]
      [0.345 rgb <0.55, 0.03, 0.03>] [0.365 rgb <0.55, 0.03, 0.03>]
      [0.365 rgb <0.86, 0.86, 0.83>] [1.00 rgb <0.86, 0.86, 0.83>]
    }
    scale 2.4
  }
  finish {
    diffuse 0.78 specular 0.5 roughness 0.008
    reflection { 0.02, 0.35 fresnel on } conserve_energy
  }
}
// Bare woven-roving laminate, slightly green.
#declare Laminate = texture {
  pigment {
    function { 0.5 + 0.25*sin(x*70)*sin(z*70 + y*70) + 0.25*sin((x + z)*9)*sin(y*7) }
    color_map { [0 rgb <0.42, 0.44, 0.30>] [1 rgb <0.62, 0.63, 0.47>] }
  }
  normal { function { 0.5 + 0.5*sin(x*70)*sin(z*70 + y*70) } 0.2 }
  finish { diffuse 0.75 specular 0.35 roughness 0.02 }
}
#declare White_Gel = texture {
  pigment { rgb <0.86, 0.86, 0.83> }
  finish {
    diffuse 0.78 specular 0.5 roughness 0.008
    reflection { 0.02, 0.35 fresnel on } conserve_energy
  }
}

#macro Rail(Side)
  sphere_sweep {
    linear_spline 61
    #local I = 0;
    #while (I <= 60)
      Hull_Point(0.998*I/60, 1, Side, 0) + y*0.0, 0.075
      #local I = I + 1;
    #end
    texture { pigment { rgb <0.012, 0.04, 0.13> } finish { Plastic_Finish } }
    interior { ior 1.5 }
  }
#end

// Half width of the hull at height Y, and height of the hull at half width Z.
#macro Half_At(U, Y)
  (Beam(U)*pow(pow((Y - Keel(U))/(Sheer(U) - Keel(U)), 1/(1.9 - 0.8*U*U)), 0.62 + 0.45*U))
#end
#macro Height_At(U, Z)
  (Keel(U) + (Sheer(U) - Keel(U))*pow(pow(Z/Beam(U), 1/(0.62 + 0.45*U)), 1.9 - 0.8*U*U))
#end
#macro Thwart(U, W)
  #local X = -3.6 + 7.2*U;
  #local Zt = min(Half_At(U - W/7.2, 1.12), Half_At(U + W/7.2, 1.12)) - 0.03;
  box {
    <X - W, 1.12, -Zt> <X + W, 1.2, Zt>
    texture { White_Gel } interior { ior 1.5 }
  }
#end

// Flat end plate between the two shells at the stern.
#macro Transom()
  polygon {
    83,
    #local J = 0;
    #while (J <= 40)
      Hull_Point(0, max(0.0005, J/40), 1, 0),
      #local J = J + 1;
    #end
    #local J = 40;
    #while (J >= 0)
      Hull_Point(0, max(0.0005, J/40), -1, 0),
      #local J = J - 1;
    #end
    Hull_Point(0, 0.0005, 1, 0)
  }
#end

// Rounded stem that closes the bow.
#declare Stem = sphere_sweep {
  linear_spline 31
  #declare I = 0;
  #while (I <= 30)
    #declare Hp = Hull_Point(0.995, max(0.0005, 0.94*I/30), 1, 0);
    <Hp.x - 0.01, Hp.y, 0>, Hp.z + 0.012
    #declare I = I + 1;
  #end
}

#declare Boat = union {
  object { Stem texture { Gelcoat } interior { ior 1.5 } }
  object { Shell(1, 0) texture { Gelcoat } interior { ior 1.5 } }
  object { Shell(-1, 0) texture { Gelcoat } interior { ior 1.5 } }
  object { Shell(1, 0.05) texture { Laminate } }
  object { Shell(-1, 0.05) texture { Laminate } }
  object { Transom() texture { Gelcoat } interior { ior 1.5 } }
  object { Transom() translate x*0.06 texture { Laminate } }
  cylinder { Hull_Point(0, 1, 1, 0), Hull_Point(0, 1, -1, 0), 0.07
    texture { pigment { rgb <0.012, 0.04, 0.13> } finish { Plastic_Finish } } interior { ior 1.5 } }
  Rail(1) Rail(-1)
  Thwart(0.12, 0.3) Thwart(0.46, 0.2) Thwart(0.74, 0.18)
}
object { Boat rotate y*180 translate y*0.55 }

// trestles
#macro Trestle(X)
  union {
    #local U = (3.6 - X)/7.2;
    #local Top = 0.55 + Keel(U);
    box { <X - 0.09, Top - 0.2, -1.2> <X + 0.09, Top - 0.02, 1.2> }
    box { <X - 0.06, 0, -1.1> <X + 0.06, Top - 0.1, -0.98> }
    box { <X - 0.06, 0, 0.98> <X + 0.06, Top - 0.1, 1.1> }
    box { <X - 0.3, 0, -1.16> <X + 0.3, 0.06, -0.92> }
    box { <X - 0.3, 0, 0.92> <X + 0.3, 0.06, 1.16> }
    #local Zp = Beam(U)*0.62;
    #local Yp = 0.55 + Height_At(U, Zp) - 0.02;
    cylinder { <X, Top - 0.1, -Zp - 0.05>, <X, Yp - 0.05, -Zp - 0.05>, 0.09 }
    cylinder { <X, Top - 0.1, Zp + 0.05>, <X, Yp - 0.05, Zp + 0.05>, 0.09 }
    box { <X - 0.16, Yp - 0.1, -Zp - 0.2> <X + 0.16, Yp, -Zp + 0.02> }
    box { <X - 0.16, Yp - 0.1, Zp - 0.02> <X + 0.16, Yp, Zp + 0.2> }
    texture { pigment { rgb 0.12 } finish { Plastic_Finish } }
    interior { ior 1.5 }
  }
#end
Trestle(2.3)
Trestle(-1.3)
